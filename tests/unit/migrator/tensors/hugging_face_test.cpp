/// Method: a snapshot in a store in memory becomes a folder, in shards so small that its tensors do
/// not fit into one.

#include "migrator/tensors/hugging_face.h"

#include <gmock/gmock.h>

#include <fstream>

#include "migrator/base/error.h"
#include "migrator/core/shared_tensor.h"
#include "migrator/core/wire_writer.h"
#include "migrator/store/names.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/migrator/tensors/saved_tensors.h"

namespace cardswap::tensors {
namespace {

namespace fs = std::filesystem;
using test::content;
using test::files_in;
using test::filled;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

class HuggingFace : public ::testing::Test {
 protected:
  WrittenModel write(std::uint64_t shard_bytes, bool may_replace = false) {
    const auto& reader = saved_.open(ref_);
    const auto choice = choose_tensors(reader.manifest(), {.thing = "model"});
    return write_model(reader, plan_shards(reader.manifest(), ref_.manifest, choice, shard_bytes),
                       attached_, folder_, may_replace);
  }
  [[nodiscard]] Code refusal_of(std::uint64_t shard_bytes, bool may_replace = false) {
    try {
      (void)write(shard_bytes, may_replace);
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "it was written";
    return Code::internal;
  }

  cardswap::test::TempDir dir_;
  fs::path folder_ = dir_.path() / "model";
  test::SavedTensors saved_;
  std::vector<AttachedFile> attached_{{"config.json", {std::byte{'{'}, std::byte{'}'}}}};
  store::Ref ref_ = saved_.save({filled<float>("model/a", "Float", "[2]", {1, 2}),
                                 filled<float>("model/b", "Float", "[3]", {3, 4, 5}),
                                 filled<float>("model/c", "Float", "[1]", {6}),
                                 {{"model/tied", kSharedTensor, "Float [2] of model/a", 0, 0}, {}},
                                 {{"model/(module)", "module", "Net", 0, 0}, {}}},
                                {{"model/a", RegionId{0}, 0, "Float", {2}, {1}, ""},
                                 {"model/b", RegionId{1}, 0, "Float", {3}, {1}, ""},
                                 {"model/c", RegionId{2}, 0, "Float", {1}, {1}, ""},
                                 {"model/tied", RegionId{0}, 0, "Float", {2}, {1}, "model/a"}});
};

TEST_F(HuggingFace, HasShardsOfAtMostTheirSizeAndAnIndex) {
  const auto written = write(16);
  EXPECT_THAT(written.files,
              ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                          "config.json", "model.safetensors.index.json"));
  EXPECT_THAT(files_in(folder_),
              UnorderedElementsAre(
                  "model-00001-of-00002.safetensors", "model-00001-of-00002.safetensors.sha256",
                  "model-00002-of-00002.safetensors", "model-00002-of-00002.safetensors.sha256",
                  "config.json", "model.safetensors.index.json"));
  EXPECT_EQ(content(folder_ / "model.safetensors.index.json"),
            R"({"metadata":{"total_size":24},"weight_map":{)"
            R"("a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors",)"
            R"("c":"model-00002-of-00002.safetensors"}})");
  const auto second = content(folder_ / "model-00002-of-00002.safetensors");
  const auto numbers = test::bytes_of<float>({3, 4, 5, 6});
  EXPECT_EQ(second.substr(second.size() - 16),
            std::string(reinterpret_cast<const char*>(numbers.data()), numbers.size()));
  EXPECT_EQ(content(folder_ / "config.json"), "{}");
}

TEST_F(HuggingFace, TellsOfATieInTheShardThatHasItsTensor) {
  (void)write(16);
  const std::string tie = R"("cardswap.alias_of":"{\"tied\":\"a\"}")";
  EXPECT_THAT(content(folder_ / "model-00001-of-00002.safetensors"), HasSubstr(tie));
  EXPECT_THAT(content(folder_ / "model-00002-of-00002.safetensors"), Not(HasSubstr("alias_of")));
}

TEST_F(HuggingFace, HasNoIndexOfOneShard) {
  EXPECT_THAT(write(24).files, ElementsAre("model.safetensors", "config.json"));
  EXPECT_FALSE(fs::exists(folder_ / "model.safetensors.index.json"));
}

TEST_F(HuggingFace, GivesATensorThatIsLargerAShardOfItsOwn) {
  EXPECT_EQ(write(1).files.size(), 5U);
}

TEST_F(HuggingFace, ReplacesNothingUnasked) {
  fs::create_directory(folder_);
  std::ofstream(folder_ / "config.json") << "mine";
  EXPECT_EQ(refusal_of(24), Code::conflict);
  EXPECT_EQ(content(folder_ / "config.json"), "mine");
  EXPECT_THAT(files_in(folder_), ElementsAre("config.json"));
  (void)write(24, true);
  EXPECT_EQ(content(folder_ / "config.json"), "{}");
}

/// A library that finds both takes the single file, whichever is newer.
TEST_F(HuggingFace, IsNotWrittenBesideAnotherExport) {
  (void)write(24);
  EXPECT_EQ(refusal_of(16, true), Code::conflict);
  EXPECT_EQ(files_in(folder_).size(), 3U);
}

TEST_F(HuggingFace, LeavesNoShardWhenAnotherOneFails) {
  for (const auto& name : store::list_all(saved_.store, store::kPacks)) {
    auto bytes = store::get(saved_.store, name, store::kPackBytesMax);
    const auto five = test::bytes_of<float>({5});
    const auto at = std::ranges::search(bytes, five).begin();
    if (at == bytes.end()) continue;
    *at ^= std::byte{1};
    saved_.store.remove(name);
    saved_.store.put_new(name, bytes);
  }
  EXPECT_EQ(refusal_of(16), Code::corrupt);
  EXPECT_THAT(files_in(folder_), IsEmpty());
}

TEST_F(HuggingFace, RefusesAnAttachedFileOfAShardsName) {
  attached_.push_back({"model.safetensors", {}});
  EXPECT_EQ(refusal_of(24), Code::refused);
}

/// Its neighbour, while it is written, would remove it.
TEST_F(HuggingFace, RefusesAnAttachedFileOfTheNameOfAnUnfinishedOne) {
  attached_.insert(attached_.begin(), {"config.json.partial", {}});
  EXPECT_EQ(refusal_of(24), Code::refused);
  EXPECT_FALSE(fs::exists(folder_));
}

class AttachedFiles : public ::testing::Test {
 protected:
  /// The files in the values of a program that tracks these things.
  std::vector<AttachedFile> in(const std::vector<std::pair<std::string, std::string>>& things) {
    wire::WireWriter values;
    values.u32(static_cast<std::uint32_t>(things.size()));
    for (const auto& [name, value] : things) values.string(name).string(value);
    return of(std::move(values).take());
  }
  std::vector<AttachedFile> of(std::vector<std::byte> values) {
    return attached_files(
        saved_.open(saved_.save({filled<float>("w", "Float", "[1]", {1})}, {}, std::move(values))));
  }
  test::SavedTensors saved_;
};

TEST_F(AttachedFiles, AreThoseThingsAmongTheValuesThatSaySo) {
  const auto files = in({{"step", "7"}, {"attached config.json", "{}"}, {"attached b_2", ""}});
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].name, "config.json");
  EXPECT_EQ(files[0].bytes, store::test::bytes_of("{}"));
  EXPECT_EQ(files[1].name, "b_2");
  EXPECT_THAT(files[1].bytes, IsEmpty());
  EXPECT_THAT(of({}), IsEmpty());
}

TEST_F(AttachedFiles, WithANameThatLeadsElsewhereAreRefused) {
  for (const auto* name : {"../config.json", "a/b", ".hidden", "", "-f", "a b"}) {
    EXPECT_THROW(in({{std::string("attached ") + name, "{}"}}), Error) << name;
  }
}

TEST_F(AttachedFiles, InValuesThatEndTooEarlyAreRefused) {
  EXPECT_THROW(of(store::test::bytes_of("not values at all")), Error);
}

}  // namespace
}  // namespace cardswap::tensors
