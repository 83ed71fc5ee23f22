#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "migrator/base/error.h"
#include "migrator/store/check_store.h"
#include "migrator/store/epoch_claims.h"
#include "migrator/store/file_store.h"
#include "migrator/store/in_memory_store.h"
#include "migrator/store/names.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/migrator/store/sample.h"

namespace cardswap::store {
namespace {

using test::bytes_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Code thrown(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& e) {
    return e.code();
  }
  return Code::internal;
}

std::string text_of(Store& store, const std::string& name) {
  const auto bytes = get(store, name, 1 << 20);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Each back end, and the folder that it needs.
struct BackEnd {
  std::string name;
  std::function<std::unique_ptr<Store>(const std::filesystem::path&)> open;
};

/// The suite that every back end passes.
class BackEnds : public testing::TestWithParam<BackEnd> {
 protected:
  cardswap::test::TempDir dir_;
  std::unique_ptr<Store> store_ = GetParam().open(dir_.path());
};

INSTANTIATE_TEST_SUITE_P(
    All, BackEnds,
    testing::Values(BackEnd{"ram", [](const auto&) { return std::make_unique<InMemoryStore>(); }},
                    BackEnd{"file",
                            [](const auto& path) { return open_or_create_file_store(path); }},
                    BackEnd{"file_beside",
                            [](const auto& path) {
                              return std::make_unique<FileStore>(path, BeforeFileCall(),
                                                                 UnnamedFiles::absent);
                            }}),
    [](const auto& tested) { return tested.param.name; });

TEST_P(BackEnds, GiveBackWhatWasPut) {
  EXPECT_EQ(store_->put_new("a/b", bytes_of("hello")), PutResult::created);
  EXPECT_EQ(text_of(*store_, "a/b"), "hello");
  EXPECT_EQ(store_->size_of("a/b"), 5U);
  std::array<std::byte, 9> some{};
  EXPECT_EQ(store_->read("a/b", 3, some), 2U);
  EXPECT_EQ(some[0], std::byte{'l'});
  EXPECT_EQ(store_->read("a/b", 5, some), 0U);
  EXPECT_EQ(store_->read("a/b", 1ULL << 62, some), 0U);
  EXPECT_EQ(store_->put_new("empty", {}), PutResult::created);
  EXPECT_EQ(text_of(*store_, "empty"), "");
}

TEST_P(BackEnds, LeaveAnObjectAsItIs) {
  ASSERT_EQ(store_->put_new("a", bytes_of("first")), PutResult::created);
  EXPECT_EQ(store_->put_new("a", bytes_of("second")), PutResult::exists);
  EXPECT_EQ(text_of(*store_, "a"), "first");
}

TEST_P(BackEnds, SayWhatIsNotThere) {
  EXPECT_FALSE(store_->size_of("a"));
  EXPECT_FALSE(store_->size_of("a/b/c"));
  std::array<std::byte, 1> byte{};
  EXPECT_EQ(thrown([&] { store_->read("a/b", 0, byte); }), Code::not_found);
  EXPECT_EQ(thrown([&] { (void)get(*store_, "a", 10); }), Code::not_found);
  store_->remove("a/b");
  EXPECT_THAT(store_->list("a/", "", 10), IsEmpty());
}

TEST_P(BackEnds, RefuseMoreBytesThanAllowed) {
  ASSERT_EQ(store_->put_new("a", bytes_of("four")), PutResult::created);
  EXPECT_EQ(thrown([&] { (void)get(*store_, "a", 3); }), Code::corrupt);
}

TEST_P(BackEnds, ListInTheOrderOfBytes) {
  for (const auto* name : {"p/b/2", "p/b.c", "p/b-1", "p/a", "q/x", "p/b/1"}) {
    ASSERT_EQ(store_->put_new(name, {}), PutResult::created);
  }
  EXPECT_THAT(store_->list("p/", "", 10), ElementsAre("p/a", "p/b-1", "p/b.c", "p/b/1", "p/b/2"));
  EXPECT_THAT(store_->list("p/", "p/b-1", 2), ElementsAre("p/b.c", "p/b/1"));
  EXPECT_THAT(store_->list("p/", "p/b/1", 10), ElementsAre("p/b/2"));
  EXPECT_THAT(store_->list("p/b/", "", 10), ElementsAre("p/b/1", "p/b/2"));
  EXPECT_THAT(store_->list("", "p/b/2", 10), ElementsAre("q/x"));
  EXPECT_THAT(store_->list("p/", "q", 10), IsEmpty());
}

TEST_P(BackEnds, TellTheFoldersThatHaveAnObject) {
  for (const auto* name : {"p/b/2", "p/b.c", "p/b-1/x/y", "p/a", "q/x", "p/b/1", "p/gone/1"}) {
    ASSERT_EQ(store_->put_new(name, {}), PutResult::created);
  }
  store_->remove("p/gone/1");
  EXPECT_THAT(store_->folders("p/"), ElementsAre("b-1", "b"));
  EXPECT_THAT(store_->folders(""), ElementsAre("p", "q"));
  EXPECT_THAT(store_->folders("none/"), IsEmpty());
}

TEST_P(BackEnds, ForgetWhatWasRemoved) {
  ASSERT_EQ(store_->put_new("a/b", bytes_of("1")), PutResult::created);
  store_->remove("a/b");
  EXPECT_FALSE(store_->size_of("a/b"));
  EXPECT_EQ(store_->put_new("a/b", bytes_of("2")), PutResult::created);
  EXPECT_EQ(text_of(*store_, "a/b"), "2");
}

TEST_P(BackEnds, RefuseNamesThatLeadElsewhere) {
  for (const auto* name : {"../x", "a/../../x", "/etc/x", "", "a//b", ".new-1-1", "A"}) {
    EXPECT_EQ(thrown([&] { (void)store_->put_new(name, {}); }), Code::bad_request) << name;
    EXPECT_EQ(thrown([&] { (void)store_->size_of(name); }), Code::bad_request) << name;
    EXPECT_EQ(thrown([&] { store_->remove(name); }), Code::bad_request) << name;
  }
}

TEST_P(BackEnds, LetOneOfManyMakeAnObject) {
  for (int round = 0; round < 20; ++round) {
    const auto name = "race/" + std::to_string(round);
    std::array<PutResult, 4> told{};
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < told.size(); ++i) {
        threads.emplace_back(
            [&, i] { told[i] = store_->put_new(name, bytes_of("writer " + std::to_string(i))); });
      }
    }
    ASSERT_EQ(std::ranges::count(told, PutResult::created), 1);
    const auto winner = std::ranges::find(told, PutResult::created) - told.begin();
    EXPECT_EQ(text_of(*store_, name), "writer " + std::to_string(winner));
  }
}

TEST_P(BackEnds, HoldSnapshotsThatComeBackToTheLastByte) {
  EXPECT_EQ(ensure_store_file(*store_, "store-1").id, "store-1");
  const auto first = test::state_at(100);
  const auto second = test::state_at(200);
  const auto one = test::save(*store_, first);
  const auto two = test::save(*store_, second, "w", &first);
  EXPECT_EQ(one.number, 1U);
  EXPECT_EQ(two.number, 2U);
  EXPECT_TRUE(test::holds(*store_, one, first));
  EXPECT_TRUE(test::holds(*store_, two, second));
  EXPECT_THAT(check_store(*store_), IsEmpty());
  EXPECT_THAT(jobs_in(*store_), ElementsAre("gpt"));
  EXPECT_THAT(list_all(*store_, intents_prefix("gpt")), IsEmpty());
}

TEST(FileStore, NeverFollowsALinkOutOfItsFolder) {
  const cardswap::test::TempDir dir;
  const cardswap::test::TempDir outside;
  std::ofstream(outside.path() / "secret") << "secret";
  std::filesystem::create_directory_symlink(outside.path(), dir.path() / "a");
  std::filesystem::create_symlink(outside.path() / "secret", dir.path() / "b");
  const auto store = open_or_create_file_store(dir.path());
  std::array<std::byte, 6> bytes{};
  EXPECT_NE(thrown([&] { (void)store->read("a/secret", 0, bytes); }), Code::internal);
  EXPECT_NE(thrown([&] { (void)store->read("b", 0, bytes); }), Code::internal);
  EXPECT_NE(thrown([&] { (void)store->put_new("a/new", bytes); }), Code::internal);
  EXPECT_NE(thrown([&] { store->remove("a/secret"); }), Code::internal);
  EXPECT_EQ(store->put_new("b", bytes), PutResult::exists);
  EXPECT_THAT(store->list("", "", 10), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(outside.path() / "secret"));
  EXPECT_FALSE(std::filesystem::exists(outside.path() / "new"));
}

TEST(FileStore, LosesAnObjectWhoseFlushFailed) {
  const cardswap::test::TempDir dir;
  for (const std::string failing : {"write", "fsync", "link", "fsync_folder"}) {
    FileStore store(dir.path(), [&](std::string_view call, const std::string& name) {
      if (call == failing) throw Error(Code::io, "a disk that fails at " + name);
    });
    EXPECT_EQ(thrown([&] { (void)store.put_new("a/b", bytes_of("1")); }), Code::io) << failing;
    EXPECT_FALSE(store.size_of("a/b")) << failing;
  }
  const auto whole = open_or_create_file_store(dir.path());
  EXPECT_EQ(whole->put_new("a/b", bytes_of("1")), PutResult::created);
}

TEST(FileStore, IsNotMadeWhereOtherThingsAre) {
  const cardswap::test::TempDir dir;
  std::ofstream(dir.path() / "notes") << "mine";
  const auto store = open_or_create_file_store(dir.path());
  EXPECT_EQ(thrown([&] { (void)ensure_store_file(*store, "s"); }), Code::refused);
  EXPECT_EQ(thrown([&] { (void)read_store_file(*store); }), Code::not_found);
  EXPECT_EQ(thrown([&] { FileStore(dir.path() / "nowhere"); }), Code::not_found);
}

TEST(SnapshotWriter, WritesWhatChangedAndNoMore) {
  InMemoryStore store;
  const auto first = test::state_at(100);
  auto second = first;
  second.step = 200;
  second.memory[0][5000] ^= std::byte{1};  // one chunk of three
  (void)test::save(store, first);
  PackCatalog catalog;
  SnapshotWriter writer(store, catalog,
                        {.job = "gpt",
                         .layout = second.layout,
                         .chunk_bytes = test::kSampleChunk,
                         .writer = "w",
                         .parent = test::latest(store)});
  test::give(writer, second, &first);
  const auto ref = writer.commit(test::facts_of(second));
  EXPECT_EQ(writer.cost().new_bytes, 4096U);
  EXPECT_EQ(writer.cost().kept_bytes, 10'000U + 8'192 - 4096);
  EXPECT_TRUE(test::holds(store, ref, second));
}

TEST(SnapshotWriter, StoresTheSameBytesOnce) {
  InMemoryStore store;
  const auto state = test::state_at(100);
  (void)test::save(store, state);
  PackCatalog catalog;
  SnapshotWriter writer(
      store, catalog,
      {.job = "gpt", .layout = state.layout, .chunk_bytes = test::kSampleChunk, .writer = "w"});
  test::give(writer, state);
  (void)writer.commit(test::facts_of(state));
  EXPECT_EQ(writer.cost().new_bytes, 0U) << "nobody said that it is unchanged";
}

TEST(SnapshotWriter, LetsOneOfTwoWritersPublish) {
  InMemoryStore store;
  const auto state = test::state_at(100);
  PackCatalog one_catalog;
  PackCatalog other_catalog;
  const auto start = [&](const char* name) {
    return SnapshotStart{
        .job = "gpt", .layout = state.layout, .chunk_bytes = test::kSampleChunk, .writer = name};
  };
  SnapshotWriter one(store, one_catalog, start("one"));
  SnapshotWriter other(store, other_catalog, start("other"));
  test::give(one, state);
  test::give(other, state);
  EXPECT_EQ(one.commit(test::facts_of(state)).number, 1U);
  EXPECT_EQ(thrown([&] { (void)other.commit(test::facts_of(state)); }), Code::conflict);
  EXPECT_EQ(refs_of(store, "gpt").refs.size(), 1U);
}

TEST(SnapshotWriter, PublishesNothingBehindAFence) {
  InMemoryStore store;
  const auto state = test::state_at(100);
  auto facts = test::facts_of(state, 1);
  facts.run = "run";
  claim_epoch(store, {"gpt", "run", 2, "other-host"});
  PackCatalog catalog;
  SnapshotWriter writer(
      store, catalog,
      {.job = "gpt", .layout = state.layout, .chunk_bytes = test::kSampleChunk, .writer = "w"});
  test::give(writer, state);
  EXPECT_EQ(thrown([&] { (void)writer.commit(facts); }), Code::conflict);
  EXPECT_THAT(refs_of(store, "gpt").refs, IsEmpty());
}

TEST(SnapshotWriter, PublishesNothingOnceItsIntentWasRemoved) {
  InMemoryStore store;
  const auto state = test::state_at(100);
  PackCatalog catalog;
  SnapshotWriter writer(
      store, catalog,
      {.job = "gpt", .layout = state.layout, .chunk_bytes = test::kSampleChunk, .writer = "w"});
  test::give(writer, state);
  store.remove(intent_name("gpt", "w"));
  EXPECT_EQ(thrown([&] { (void)writer.commit(test::facts_of(state)); }), Code::refused);
}

/// A store whose server keeps other bytes than it was given, and says that all is well.
class LyingStore final : public Store {
 public:
  explicit LyingStore(std::string about) : about_(std::move(about)) {}

  PutResult put_new(const std::string& name, std::span<const std::byte> bytes) override {
    std::vector<std::byte> kept(bytes.begin(), bytes.end());
    if (name.starts_with(about_)) kept[kept.size() / 2] ^= std::byte{1};
    return ram_.put_new(name, kept);
  }
  std::size_t read(const std::string& name, std::uint64_t offset,
                   std::span<std::byte> into) override {
    return ram_.read(name, offset, into);
  }
  std::optional<std::uint64_t> size_of(const std::string& name) override {
    return ram_.size_of(name);
  }
  std::vector<std::string> list(const std::string& prefix, const std::string& after,
                                std::size_t most) override {
    return ram_.list(prefix, after, most);
  }
  void remove(const std::string& name) override { ram_.remove(name); }
  StoreFacts facts() override { return ram_.facts(); }

 private:
  const std::string about_;
  InMemoryStore ram_;
};

TEST(SnapshotWriter, PublishesNothingThatReadsBackOtherwise) {
  for (const auto* about : {kPacks, kNodes, kManifests}) {
    LyingStore store(about);
    EXPECT_EQ(thrown([&] { (void)test::save(store, test::state_at(100)); }), Code::corrupt)
        << about;
    EXPECT_THAT(refs_of(store, "gpt").refs, IsEmpty()) << about;
  }
}

TEST(SnapshotWriter, NamesAChunkThatNobodyGave) {
  InMemoryStore store;
  const auto state = test::state_at(100);
  PackCatalog catalog;
  SnapshotWriter writer(
      store, catalog,
      {.job = "gpt", .layout = state.layout, .chunk_bytes = test::kSampleChunk, .writer = "w"});
  writer.add(RegionId{0}, 0, std::span(state.memory[0]).first(4096));
  writer.add_values({});
  EXPECT_EQ(thrown([&] { writer.keep(RegionId{0}, 1); }), Code::bad_request);
  EXPECT_EQ(thrown([&] { writer.add(RegionId{0}, 0, std::span(state.memory[0]).first(4096)); }),
            Code::bad_request);
  try {
    (void)writer.commit(test::facts_of(state));
    FAIL() << "half a snapshot was published";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("chunk 1 of region model/w"));
  }
}

TEST(SnapshotReader, FindsAStateThatIsNotTheCommittedOne) {
  InMemoryStore store;
  const auto state = test::state_at(100);
  auto torn = state;
  torn.memory[1][0] ^= std::byte{1};
  PackCatalog catalog;
  SnapshotWriter writer(
      store, catalog,
      {.job = "gpt", .layout = state.layout, .chunk_bytes = test::kSampleChunk, .writer = "w"});
  test::give(writer, torn);
  const auto ref = writer.commit(test::facts_of(state));
  EXPECT_EQ(SnapshotReader(store, catalog, ref).verify().size(), 1U)
      << "the root is another state's";
}

TEST(SnapshotReader, ReadsAnyRunOfBytes) {
  InMemoryStore store;
  const auto state = test::state_at(100);
  const auto ref = test::save(store, state);
  PackCatalog catalog;
  catalog.refresh(store);
  const SnapshotReader reader(store, catalog, ref);
  Compressor compressor;
  for (const auto& [offset, size] :
       {std::pair{0, 1}, {4095, 2}, {1, 9'999}, {9'999, 1}, {10'000, 0}}) {
    std::vector<std::byte> out(static_cast<std::size_t>(size));
    reader.read(compressor, RegionId{0}, static_cast<std::uint64_t>(offset), out);
    EXPECT_TRUE(std::ranges::equal(
        out, std::span(state.memory[0]).subspan(static_cast<std::size_t>(offset), out.size())));
  }
  std::array<std::byte, 2> past{};
  EXPECT_EQ(thrown([&] { reader.read(compressor, RegionId{0}, 9'999, past); }), Code::bad_request);
}

TEST(Tags, AreWhereTheyWerePutLast) {
  InMemoryStore store;
  put_tag(store, "gpt", {"before-lr-drop", 4});
  put_tag(store, "gpt", {"best", 2});
  put_tag(store, "gpt", {"before-lr-drop", 3});
  EXPECT_THAT(tags_of(store, "gpt").tags, ElementsAre(Tag{"before-lr-drop", 3}, Tag{"best", 2}));
}

}  // namespace
}  // namespace cardswap::store
