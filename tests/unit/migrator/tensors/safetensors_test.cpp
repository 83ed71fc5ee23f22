/// Method: snapshots in a store in memory become files in a folder, which are taken apart byte by
/// byte. What a hostile store could name or point to is refused, and leaves no file.

#include "migrator/tensors/safetensors.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "migrator/base/error.h"
#include "migrator/store/json.h"
#include "migrator/store/names.h"
#include "migrator/tensors/safetensors_file.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/migrator/tensors/saved_tensors.h"

namespace cardswap::tensors {
namespace {

namespace fs = std::filesystem;
using store::Json;
using store::TensorEntry;
using test::content;
using test::files_in;
using test::filled;
using test::SavedTensors;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

std::string as_text(const std::vector<std::byte>& bytes) {
  std::string text;
  for (const auto byte : bytes) text += static_cast<char>(byte);
  return text;
}

/// A safetensors file, as any reader takes it apart.
struct ReadFile {
  explicit ReadFile(const std::string& file) {
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), sizeof(length));
    EXPECT_EQ(length % 8, 0U);
    EXPECT_LE(8 + length, file.size());
    auto text = file.substr(8, length);
    text.resize(text.find_last_not_of(' ') + 1);
    header = store::read_canonical(std::as_bytes(std::span(text)), 10'000);
    data = file.substr(8 + length);
  }
  [[nodiscard]] std::uint64_t offset(const std::string& name, std::size_t side) const {
    return header.at(name).at("data_offsets").array().at(side).number();
  }
  [[nodiscard]] std::string bytes(const std::string& name) const {
    return data.substr(offset(name, 0), offset(name, 1) - offset(name, 0));
  }
  [[nodiscard]] std::string metadata(const std::string& name) const {
    const auto& value = header.at("__metadata__").at(name);
    return value.is_null() ? "" : value.text();
  }
  Json header;
  std::string data;
};

class Safetensors : public ::testing::Test {
 protected:
  [[nodiscard]] SafetensorsPlan plan(const store::Ref& ref, const ExportScope& scope = {}) {
    const auto& manifest = saved_.open(ref).manifest();
    return plan_safetensors(manifest, ref.manifest, choose_tensors(manifest, scope));
  }
  WrittenFile write(const store::Ref& ref, const ExportScope& scope = {},
                    bool may_replace = false) {
    return write_safetensors(saved_.open(ref), plan(ref, scope), file_, may_replace);
  }
  [[nodiscard]] Error refusal_of(const store::Ref& ref) {
    try {
      write(ref);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "it was written";
    return {Code::internal, ""};
  }
  /// Changes a byte of every pack.
  void damage_packs() {
    for (const auto& name : store::list_all(saved_.store, store::kPacks)) {
      auto bytes = store::get(saved_.store, name, store::kPackBytesMax);
      bytes[60] ^= std::byte{1};  // of what the first record stores
      saved_.store.remove(name);
      saved_.store.put_new(name, bytes);
    }
  }

  cardswap::test::TempDir dir_;
  fs::path file_ = dir_.path() / "gpt.safetensors";
  SavedTensors saved_;
};

TEST_F(Safetensors, HasEachTensorsBytesWithoutHoles) {
  const auto ref = saved_.save({filled<std::uint8_t>("m/mask", "Bool", "[3]", {1, 0, 1}),
                                filled<std::uint16_t>("m/half", "BFloat16", "[1]", {0x3f80}),
                                filled<float>("m/w", "Float", "[2, 2]", {1, 2, 3, 4}),
                                filled<std::int64_t>("m/n", "Long", "[]", {-7})},
                               {TensorEntry{"m/mask", RegionId{0}, 0, "Bool", {3}, {1}, ""},
                                TensorEntry{"m/half", RegionId{1}, 0, "BFloat16", {1}, {1}, ""},
                                TensorEntry{"m/w", RegionId{2}, 0, "Float", {2, 2}, {2, 1}, ""},
                                TensorEntry{"m/n", RegionId{3}, 0, "Long", {}, {}, ""}});
  const auto written = write(ref);
  const auto raw = content(file_);
  EXPECT_EQ(raw.size(), written.bytes);
  const ReadFile read(raw);
  EXPECT_EQ(read.offset("m/n", 0), 0U) << "the largest elements come first";
  EXPECT_EQ(read.offset("m/w", 0), read.offset("m/n", 1));
  EXPECT_EQ(read.offset("m/half", 0), read.offset("m/w", 1));
  EXPECT_EQ(read.offset("m/mask", 0), read.offset("m/half", 1));
  EXPECT_EQ(read.offset("m/mask", 1), read.data.size());
  EXPECT_EQ(read.bytes("m/w"), as_text(test::bytes_of<float>({1, 2, 3, 4})));
  EXPECT_EQ(read.bytes("m/n"), as_text(test::bytes_of<std::int64_t>({-7})));
  EXPECT_EQ(read.header.at("m/mask").at("dtype").text(), "BOOL");
  EXPECT_EQ(read.header.at("m/half").at("dtype").text(), "BF16");
  EXPECT_EQ(read.header.at("m/n").at("dtype").text(), "I64");
  EXPECT_THAT(read.header.at("m/n").at("shape").array(), IsEmpty());
  EXPECT_EQ(read.header.at("m/w").at("shape").array().size(), 2U);
}

TEST_F(Safetensors, SaysOfWhatItIs) {
  const auto ref = saved_.save({filled<float>("w", "Float", "", {1})});
  write(ref);
  const ReadFile read(content(file_));
  EXPECT_EQ(read.metadata("format"), "pt");
  EXPECT_EQ(read.metadata("cardswap.job"), "gpt");
  EXPECT_EQ(read.metadata("cardswap.step"), std::to_string(ref.step));
  EXPECT_EQ(read.metadata("cardswap.manifest"), to_string(ref.manifest));
  EXPECT_EQ(read.metadata("cardswap.root"), to_string(saved_.open(ref).manifest().state_digest));
  EXPECT_EQ(read.metadata("cardswap.flat"), "[\"w\"]");
}

TEST_F(Safetensors, HasAnotherFileWithItsSum) {
  const auto ref = saved_.save({filled<float>("w", "Float", "", {1})});
  const auto written = write(ref);
  const auto raw = content(file_);
  EXPECT_EQ(written.sha256, store::id_of(std::as_bytes(std::span(raw))));
  EXPECT_EQ(content(file_.string() + ".sha256"), to_string(written.sha256) + "  gpt.safetensors\n");
  EXPECT_THAT(files_in(dir_.path()),
              UnorderedElementsAre("gpt.safetensors", "gpt.safetensors.sha256"));
}

/// A transposed weight, the same under another name, and its memory as it lies there.
TEST_F(Safetensors, HasViewsWholeAndTiedTensorsOnce) {
  const auto ref =
      saved_.save({filled<float>("m/t", "Float", "", {1, 2, 3, 4, 5, 6})},
                  {TensorEntry{"m/t", RegionId{0}, 0, "Float", {3, 2}, {1, 3}, ""},
                   TensorEntry{"m/tied", RegionId{0}, 0, "Float", {3, 2}, {1, 3}, "m/t"},
                   TensorEntry{"m/flat", RegionId{0}, 4, "Float", {5}, {1}, ""}});
  write(ref);
  const ReadFile read(content(file_));
  const auto transposed = as_text(test::bytes_of<float>({1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(read.bytes("m/t"), transposed);
  EXPECT_EQ(read.bytes("m/flat"), as_text(test::bytes_of<float>({2, 3, 4, 5, 6})));
  EXPECT_TRUE(read.header.at("m/tied").is_null());
  EXPECT_EQ(read.metadata("cardswap.alias_of"), "{\"m/tied\":\"m/t\"}");

  write(ref, {.untie = true}, true);
  const ReadFile untied(content(file_));
  EXPECT_EQ(untied.bytes("m/tied"), transposed);
  EXPECT_EQ(untied.metadata("cardswap.alias_of"), "{\"m/tied\":\"m/t\"}");
}

TEST_F(Safetensors, HasTheOptimizerOnlyIfAllIsAskedFor) {
  const auto ref = saved_.save({filled<float>("model/w.0.1", "Float", "[1]", {1}),
                                {{"model/(module)", "module", "Net", 0, 0}, {}},
                                filled<float>("adam/exp_avg.0.0", "Float", "[1]", {2}),
                                filled<float>("adam/exp_avg.0.1 [64]", "Float", "[1]", {3}),
                                filled<float>("model/gradient of w.0.1", "Float", "[1]", {4}),
                                filled<float>("average/0.weight", "Float", "[1]", {5})});
  EXPECT_THAT(optimizers_in(saved_.open(ref).manifest().layout), ElementsAre("adam"));
  EXPECT_THAT(choose_tensors(saved_.open(ref).manifest(), {}).left_out,
              ElementsAre("adam/exp_avg.0.0", "adam/exp_avg.0.1 [64]", "model/gradient of w.0.1"));
  EXPECT_THAT(plan(ref).header,
              AllOf(HasSubstr("\"w.0.1\""), HasSubstr("average/0.weight"), Not(HasSubstr("adam"))));
  EXPECT_THAT(choose_tensors(saved_.open(ref).manifest(), {.all = true}).left_out, IsEmpty());
  EXPECT_THAT(plan(ref, {.all = true}).header, HasSubstr("adam/exp_avg.0.0"));
}

TEST_F(Safetensors, HasOtherTypesAsBytesAndSaysSo) {
  const auto ref = saved_.save({filled<float>("c", "ComplexFloat", "[1]", {1, 2})});
  write(ref);
  const ReadFile read(content(file_));
  EXPECT_EQ(read.header.at("c").at("dtype").text(), "U8");
  EXPECT_EQ(read.header.at("c").at("shape").array().at(0).number(), 8U);
  EXPECT_EQ(read.metadata("cardswap.raw"), "{\"c\":\"ComplexFloat\"}");
}

TEST_F(Safetensors, EscapesNames) {
  const std::string name = "m/\"\n\x1b<";
  const auto ref = saved_.save({filled<float>("w", "Float", "", {1})},
                               {TensorEntry{name, RegionId{0}, 0, "Float", {1}, {1}, ""}});
  write(ref);
  const auto raw = content(file_);
  EXPECT_THAT(raw, HasSubstr("m/\\\"\\n\\u001b<"));
  EXPECT_THAT(raw.substr(0, raw.size() - 4), Not(HasSubstr("\n")));
}

TEST_F(Safetensors, RefusesNamesThatItsReadersWouldMistake) {
  const TensorEntry good{"w", RegionId{0}, 0, "Float", {1}, {1}, ""};
  auto reserved = good;
  reserved.name = "__metadata__";
  const auto twice = saved_.save({filled<float>("w", "Float", "", {1})}, {good, good});
  const auto error = refusal_of(twice);
  EXPECT_EQ(error.code(), Code::refused);
  EXPECT_THAT(error.failure(), HasSubstr("two tensors would be called w"));
  const auto taken = saved_.save({filled<float>("w", "Float", "", {1})}, {reserved});
  EXPECT_THAT(refusal_of(taken).failure(), HasSubstr("two tensors would be called __metadata__"));
  EXPECT_THAT(files_in(dir_.path()), IsEmpty());
}

TEST_F(Safetensors, RefusesTensorsBeyondTheirRegion) {
  const auto ref = saved_.save({filled<float>("w", "Float", "", {1})},
                               {TensorEntry{"w", RegionId{0}, 4, "Float", {1}, {1}, ""}});
  EXPECT_EQ(refusal_of(ref).code(), Code::corrupt);
  EXPECT_THAT(files_in(dir_.path()), IsEmpty());
}

TEST_F(Safetensors, OfADamagedChunkNamesItAndLeavesNothing) {
  const auto ref = saved_.save({filled<float>("m/w", "Float", "[4]", {1, 2, 3, 4})});
  damage_packs();
  const auto error = refusal_of(ref);
  EXPECT_EQ(error.code(), Code::corrupt);
  EXPECT_THAT(error.failure(),
              AllOf(HasSubstr("tensor m/w: packs/"),
                    HasSubstr(to_string(saved_.open(ref).chunk_id(RegionId{0}, 0)))));
  EXPECT_THAT(files_in(dir_.path()), IsEmpty());
}

TEST_F(Safetensors, ReplacesNothingUnasked) {
  const auto ref = saved_.save({filled<float>("w", "Float", "", {1})});
  std::ofstream(file_) << "mine";
  EXPECT_EQ(refusal_of(ref).code(), Code::conflict);
  EXPECT_EQ(content(file_), "mine");
  EXPECT_THAT(files_in(dir_.path()), ElementsAre("gpt.safetensors"));
  write(ref, {}, true);
  EXPECT_EQ(ReadFile(content(file_)).metadata("cardswap.job"), "gpt");
  EXPECT_EQ(refusal_of(ref).code(), Code::conflict) << "now its sum is there too";
}

/// A link under the partial name would have another file overwritten.
TEST_F(Safetensors, WritesThroughNoLink) {
  const auto ref = saved_.save({filled<float>("w", "Float", "", {1})});
  const auto other = dir_.path() / "other";
  std::ofstream(other) << "mine";
  fs::create_symlink(other, file_.string() + ".partial");
  write(ref);
  EXPECT_EQ(content(other), "mine");
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(file_)));
}

TEST_F(Safetensors, NamesTheFileThatCannotBeMade) {
  const auto ref = saved_.save({filled<float>("w", "Float", "", {1})});
  file_ = dir_.path() / "none" / "gpt.safetensors";
  const auto error = refusal_of(ref);
  EXPECT_EQ(error.code(), Code::io);
  EXPECT_THAT(error.failure(), HasSubstr("none/gpt.safetensors.partial: No such file"));
}

}  // namespace
}  // namespace cardswap::tensors
