/// What an error of a store tells its caller: that the job must stop, that this snapshot is lost,
/// that an object is damaged, or only that the store was not to be asked.

#include <gmock/gmock.h>

#include <array>
#include <functional>
#include <optional>
#include <string>

#include "migrator/base/error.h"
#include "migrator/store/names.h"
#include "migrator/store/trash.h"
#include "tests/support/hooked_store.h"
#include "tests/unit/migrator/store/sample.h"

namespace cardswap::store {
namespace {

using cardswap::test::HookedStore;
using testing::ElementsAre;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

std::optional<Code> code_thrown_by(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& e) {
    return e.code();
  }
  return std::nullopt;
}

SnapshotStart start_of(const test::State& state, const std::string& writer) {
  return {
      .job = "gpt", .layout = state.layout, .chunk_bytes = test::kSampleChunk, .writer = writer};
}

/// Method: when the pack is put it is there already, and a prune has just put it into trash.
TEST(StoreErrors, OfAPackThatIsInTrashEndNoJob) {
  HookedStore store;
  store.before_put = [&](const std::string& name, std::span<const std::byte> bytes) {
    if (!name.starts_with(kPacks)) return;
    (void)store.ram.put_new(name, bytes);
    const TrashBatch batch{1, 0, {name}, std::nullopt};
    (void)store.ram.put_new(trash_name(batch.number, false), encode_trash(batch));
  };
  const auto state = test::state_at(100);
  EXPECT_EQ(code_thrown_by([&] { (void)test::save(store, state); }), Code::refused);
}

TEST(StoreErrors, OfAServerThatDoesNotAnswerAreNoDamage) {
  HookedStore store;
  const auto ref = test::save(store, test::state_at(100));
  PackCatalog catalog;
  catalog.refresh(store);
  const SnapshotReader reader(store, catalog, ref);
  int reads = 0;
  store.before_read = [&](const std::string&) { ++reads; };
  EXPECT_THAT(reader.verify(), SizeIs(0));
  ASSERT_GE(reads, 2);
  for (const auto code : {Code::unreachable, Code::io}) {
    for (int n = 0; n < reads; ++n) {  // the last one is of the values
      int left = n;
      store.before_read = [&](const std::string& name) {
        if (left-- == 0) throw Error(code, name + ": no answer");
      };
      EXPECT_EQ(code_thrown_by([&] { (void)reader.verify(); }), code) << "read " << n;
    }
  }
  store.before_read = [](const std::string& name) { throw Error(Code::corrupt, name); };
  EXPECT_THAT(reader.verify(), Not(SizeIs(0))) << "any other error is of the object";
}

TEST(StoreErrors, OfTheLatestRecordOfATagLeaveItNowhere) {
  InMemoryStore store;
  put_tag(store, "gpt", {"best", 2});
  put_tag(store, "gpt", {"best", 3});
  put_tag(store, "gpt", {"first", 1});
  const auto latest = tag_name("gpt", "best", 2);
  ASSERT_TRUE(store.size_of(latest));
  store.remove(latest);
  (void)store.put_new(latest, test::bytes_of("{"));
  const auto list = tags_of(store, "gpt");
  EXPECT_THAT(list.tags, ElementsAre(Tag{"first", 1})) << "the snapshot before is not the best";
  ASSERT_THAT(list.damaged, SizeIs(1));
  EXPECT_EQ(list.damaged[0].object, latest);
}

TEST(StoreErrors, OfTrashInALaterFormatAreNoDamage) {
  const auto bytes = encode_trash({1, 0, {"packs/aa/b"}, std::nullopt});
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text.replace(text.find("\"format\":1"), 10, "\"format\":2");
  EXPECT_EQ(code_thrown_by([&] { (void)decode_trash(std::as_bytes(std::span(text))); }),
            Code::protocol_mismatch);
}

TEST(SnapshotReader, IsOfTheSnapshotThatItsRefNames) {
  InMemoryStore store;
  const auto state = test::state_at(100);
  const auto ref = test::save(store, state);
  PackCatalog catalog;
  catalog.refresh(store);
  EXPECT_EQ(SnapshotReader(store, catalog, ref.manifest).manifest().state_digest,
            state.state_digest());
  auto other = ref;
  other.step = 200;
  EXPECT_EQ(code_thrown_by([&] { SnapshotReader(store, catalog, other); }), Code::corrupt);
}

TEST(SnapshotWriter, CountsTheValuesAsGivenBytes) {
  InMemoryStore store;
  const auto state = test::state_at(100);
  PackCatalog catalog;
  SnapshotWriter writer(store, catalog, start_of(state, "w"));
  test::give(writer, state);
  EXPECT_EQ(writer.cost().added_bytes, 10'000U + 8'192 + state.values.size());
  EXPECT_LE(writer.cost().new_bytes, writer.cost().added_bytes);
}

/// A name that an earlier snapshot gave to an object may be that of a removed one.
TEST(SnapshotWriter, NeverNamesTwoSnapshotsAlike) {
  InMemoryStore store;
  const auto state = test::state_at(100);
  std::array<std::string, 2> writers;
  for (auto& writer : writers) {
    const auto ref = test::save(store, state, "same");
    PackCatalog catalog;
    catalog.refresh(store);
    writer = SnapshotReader(store, catalog, ref).manifest().writer;
    EXPECT_THAT(writer, StartsWith("same-"));
  }
  EXPECT_NE(writers[0], writers[1]);
}

}  // namespace
}  // namespace cardswap::store
