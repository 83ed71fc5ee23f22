/// Method: a state in memory, a store in memory. What is packed is read back by the other half of
/// the same program.

#include <gmock/gmock.h>

#include <cstring>

#include "migrator/base/error.h"
#include "migrator/store/check_store.h"
#include "migrator/store/in_memory_store.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"
#include "migrator/store/prune.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/store/snapshot_writer.h"
#include "migrator/store/store_file.h"
#include "migrator/wire/data_messages.h"
#include "runtime/snapshot/program_entry.h"
#include "runtime/snapshot/read_snapshot.h"
#include "runtime/snapshot/received_memory.h"
#include "tests/support/hooked_store.h"

namespace cardswap {
namespace {

constexpr std::size_t kBytes = 2'500'000;  // three chunks

Layout layout_of(std::size_t bytes) {
  return Layout({{"w", "Float", "[625000]", bytes}, {"empty", "Float", "[0]", 0}});
}

std::vector<std::byte> bytes_of(std::string_view text) {
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

Digest state_digest_of(const CapturedState& state) {
  std::vector<Digest> digests;
  for (const auto& chunk : cut_into_chunks(state.view.layout, state.chunk_bytes)) {
    digests.push_back(digest_of(range_of(state.view, chunk).bytes));
  }
  return data::state_digest_of(state.view.layout, digests, digest_of(state.values));
}

class Packing : public ::testing::Test {
 protected:
  Packing() {
    store::ensure_store_file(store_, "store-1");
    state_.view = memory_.adopt(layout_of(kBytes));
    for (std::size_t i = 0; i < kBytes; ++i) words()[i] = static_cast<std::byte>(i * i >> 7U);
    state_.values = bytes_of("step 7, and the generator");
    state_.step = 7;
    state_.chunk_bytes = store::kStoreChunkBytesMax;
    state_.state_digest = state_digest_of(state_);
    labels_.job = "job";
    labels_.epoch = 3;
    labels_.program.argv = {"train", "--lr", "1"};
  }
  [[nodiscard]] std::span<std::byte> words() const { return state_.view.memory.at(0); }
  PackedSnapshot pack(const std::string& writer) {
    labels_.writer = writer;
    return pack_snapshot(store_, state_, labels_);
  }

  test::HookedStore store_;
  ReceivedMemory memory_;
  CapturedState state_;
  SnapshotLabels labels_;
};

TEST_F(Packing, IsReadBackAsItWas) {
  const auto packed = pack("one");
  EXPECT_EQ(packed.ref.number, 1U);
  EXPECT_EQ(packed.ref.step, 7U);
  const auto read = read_snapshot(store_, packed.ref.manifest);
  EXPECT_EQ(read.state_digest, state_.state_digest);
  EXPECT_EQ(read.step, 7U);
  EXPECT_EQ(read.values, state_.values);
  EXPECT_EQ(std::memcmp(read.view.memory.at(0).data(), words().data(), kBytes), 0);
}

/// Whoever waits for the store hears of each chunk, also of those that the store has already.
TEST_F(Packing, SaysThatItAdvances) {
  for (const auto* writer : {"one", "two"}) {
    int advanced = 0;
    labels_.writer = writer;
    (void)pack_snapshot(store_, state_, labels_, [&] { ++advanced; });
    EXPECT_GE(advanced, 3) << writer;
  }
}

TEST_F(Packing, ListsTheTensorsThatItsRegionsTell) {
  const auto about = store::get_manifest(store_, pack("one").ref.manifest);
  ASSERT_EQ(about.tensors.size(), 2U);
  EXPECT_EQ(about.tensors[0],
            (store::TensorEntry{"w", RegionId{0}, 0, "Float", {kBytes / 4}, {1}, ""}));
  EXPECT_THAT(about.tensors[1].sizes, ::testing::ElementsAre(0U));
}

TEST_F(Packing, WritesAnUnchangedChunkOnce) {
  (void)pack("one");
  words()[0] ^= std::byte{1};
  state_.state_digest = state_digest_of(state_);
  const auto second = pack("two");
  EXPECT_EQ(second.ref.number, 2U);
  EXPECT_EQ(second.cost.new_bytes, store::kStoreChunkBytesMax);
}

TEST_F(Packing, TakesOverTheChunksWhoseDigestsAreTheParents) {
  (void)pack("one");
  EXPECT_EQ(pack("two").cost.kept_bytes, kBytes);
  words()[kBytes - 1] ^= std::byte{1};
  state_.state_digest = state_digest_of(state_);
  const auto third = pack("three");
  EXPECT_EQ(third.cost.kept_bytes, 2 * store::kStoreChunkBytesMax);
  const auto read = read_snapshot(store_, third.ref.manifest);
  EXPECT_EQ(std::memcmp(read.view.memory.at(0).data(), words().data(), kBytes), 0);
  EXPECT_THAT(store::check_store(store_), ::testing::IsEmpty());
}

/// Method: what its keeper has no bytes of, since they did not come.
TEST_F(Packing, HasTheParentsChunksWithoutTheirBytes) {
  (void)pack("one");
  labels_.writer = "two";
  SnapshotPacking packing(store_, labels_);
  const auto parents = packing.begin(state_.view.layout, state_.chunk_bytes);
  const auto chunks = cut_into_chunks(state_.view.layout, state_.chunk_bytes);
  ASSERT_EQ(parents.size(), chunks.size());
  EXPECT_EQ(parents.at(0), digest_of(range_of(state_.view, chunks.at(0)).bytes));
  words()[kBytes - 1] ^= std::byte{1};
  state_.state_digest = state_digest_of(state_);
  const std::vector was(words().begin(), words().end());
  std::fill_n(words().begin(), store::kStoreChunkBytesMax, std::byte{77});
  state_.of_the_parent = {ChunkId{0}};
  const auto packed = packing.pack(state_, {});
  EXPECT_EQ(packed.cost.kept_bytes, 2 * store::kStoreChunkBytesMax);
  const auto read = read_snapshot(store_, packed.ref.manifest);
  EXPECT_EQ(std::memcmp(read.view.memory.at(0).data(), was.data(), kBytes), 0);
  EXPECT_THAT(store::check_store(store_), ::testing::IsEmpty());
}

/// A chunk that is said to be the parent's, and the parent has another one there.
TEST_F(Packing, PublishesNoStateWithAChunkThatTheParentHasNot) {
  (void)pack("one");
  words()[0] ^= std::byte{1};
  state_.state_digest = state_digest_of(state_);
  state_.of_the_parent = {ChunkId{0}};
  EXPECT_THROW((void)pack("two"), Error);
  EXPECT_EQ(store::refs_of(store_, "job").refs.size(), 1U);
}

TEST_F(Packing, BeginsAnewWhereTheLayoutIsAnotherOne) {
  (void)pack("one");
  labels_.writer = "two";
  SnapshotPacking packing(store_, labels_);
  const Layout other({{"v", "Float", "[2]", 8}});
  EXPECT_THAT(packing.begin(other, state_.chunk_bytes), ::testing::ElementsAre(std::nullopt));
  (void)packing.begin(state_.view.layout, state_.chunk_bytes);
  EXPECT_EQ(packing.pack(state_, {}).cost.kept_bytes, kBytes);
}

/// As a prune of an earlier release leaves it, which does not know that somebody refers to them.
TEST_F(Packing, HashesAllWhereTheParentsDigestsAreGone) {
  const auto first = pack("one");
  const auto about = store::get_manifest(store_, first.ref.manifest);
  ASSERT_TRUE(about.digests);
  store_.remove(store::node_name(*about.digests));
  EXPECT_THAT(store::check_store(store_), ::testing::IsEmpty()) << "nothing is missing";
  const store::PruneOrder nothing_to_give_up;
  EXPECT_THAT(store::prune(store_, nothing_to_give_up).damaged, ::testing::IsEmpty());
  const auto second = pack("two");
  EXPECT_FALSE(second.parent_failed);
  EXPECT_EQ(second.cost.kept_bytes, 0U);
  EXPECT_EQ(second.cost.new_bytes, 0U);
  EXPECT_EQ(read_snapshot(store_, second.ref.manifest).state_digest, state_.state_digest);
}

TEST_F(Packing, LosesItsDigestsToNoPrune) {
  const auto first = pack("one");
  const auto node = store::node_name(*store::get_manifest(store_, first.ref.manifest).digests);
  store::PruneOrder nothing_to_give_up;
  nothing_to_give_up.grace_s = 0;
  for (int i = 0; i < 2; ++i) (void)store::prune(store_, nothing_to_give_up);
  EXPECT_TRUE(store_.size_of(node));
}

/// Method: the parent says of its chunks that they have the digests of this state's, as whoever
/// writes the folder could have it. The keeper believes that, and nobody who reads the bytes does.
TEST_F(Packing, IsFoundOutWhereTheParentsDigestsAreForged) {
  store::PackCatalog catalog;
  catalog.refresh(store_);
  store::SnapshotWriter writer(store_, catalog,
                               {.job = "job",
                                .layout = state_.view.layout,
                                .chunk_bytes = static_cast<std::uint32_t>(state_.chunk_bytes),
                                .writer = "one"});
  const auto former_root = state_.state_digest;
  const auto chunks = cut_into_chunks(state_.view.layout, state_.chunk_bytes);
  for (const auto& chunk : chunks) {
    writer.add(chunk.region, chunk.offset / state_.chunk_bytes, range_of(state_.view, chunk).bytes);
  }
  words()[0] ^= std::byte{1};
  std::vector<Digest> forged;
  for (const auto& chunk : chunks) forged.push_back(digest_of(range_of(state_.view, chunk).bytes));
  writer.add_digests(forged);
  writer.add_values(state_.values);
  store::SnapshotFacts facts;
  facts.state_digest = former_root;
  (void)writer.commit(facts);

  state_.state_digest = state_digest_of(state_);
  const auto second = pack("two");
  ASSERT_EQ(second.cost.kept_bytes, kBytes);
  catalog.refresh(store_);
  EXPECT_THAT(store::SnapshotReader(store_, catalog, second.ref).verify(), ::testing::SizeIs(1));
  EXPECT_THROW((void)read_snapshot(store_, second.ref.manifest), Error);
}

TEST_F(Packing, PublishesNoStateButTheOneThatWasConfirmed) {
  words()[kBytes - 1] ^= std::byte{1};
  EXPECT_THROW((void)pack("one"), Error);
  EXPECT_TRUE(store::refs_of(store_, "job").refs.empty());
}

/// Each chunk is what its id says, and yet it is not the state that the trainer confirmed.
TEST_F(Packing, IsNotReadBackIfItsRootIsThatOfAnotherState) {
  store::PackCatalog catalog;
  catalog.refresh(store_);
  store::SnapshotWriter writer(store_, catalog,
                               {.job = "job",
                                .layout = state_.view.layout,
                                .chunk_bytes = static_cast<std::uint32_t>(state_.chunk_bytes),
                                .writer = "one"});
  for (const auto& chunk : cut_into_chunks(state_.view.layout, state_.chunk_bytes)) {
    writer.add(chunk.region, chunk.offset / state_.chunk_bytes, range_of(state_.view, chunk).bytes);
  }
  writer.add_values(state_.values);
  store::SnapshotFacts facts;
  facts.state_digest = digest_of(bytes_of("another state"));
  const auto ref = writer.commit(facts);
  try {
    (void)read_snapshot(store_, ref.manifest);
    ADD_FAILURE() << "it was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::corrupt);
    EXPECT_THAT(error.failure(), ::testing::HasSubstr("not those that its trainer confirmed"));
  }
}

TEST_F(Packing, GivesTheSnapshotItsTag) {
  labels_.tag = "before";
  const auto packed = pack("one");
  EXPECT_THAT(store::tags_of(store_, "job").tags,
              ::testing::ElementsAre(store::Tag{"before", packed.ref.number}));
}

TEST_F(Packing, IsPublishedAlsoWithoutItsTag) {
  labels_.tag = "before";
  store_.before_put = [](const std::string& name, std::span<const std::byte>) {
    if (name.find("/tags/") != std::string::npos) throw Error(Code::io, name + ": a full disk");
  };
  const auto packed = pack("one");
  ASSERT_TRUE(packed.tag_failed);
  EXPECT_EQ(packed.tag_failed->code(), Code::io);
  EXPECT_EQ(store::refs_of(store_, "job").refs.size(), 1U);
}

TEST_F(Packing, GoesOnAfterADamagedSnapshot) {
  const auto first = pack("one");
  store_.remove(store::manifest_name(first.ref.manifest));
  const auto second = pack("two");
  EXPECT_TRUE(second.parent_failed) << "somebody must hear of it";
  store::PackCatalog catalog;
  catalog.refresh(store_);
  const store::SnapshotReader reader(store_, catalog, second.ref);
  EXPECT_TRUE(reader.manifest().parents.empty());
  EXPECT_TRUE(reader.verify().empty());
}

TEST_F(Packing, GoesOnAfterAnEarlierSnapshot) {
  const auto first = pack("one");
  const auto second = pack("two");
  EXPECT_FALSE(second.parent_failed);
  store::PackCatalog catalog;
  catalog.refresh(store_);
  EXPECT_THAT(store::SnapshotReader(store_, catalog, second.ref).manifest().parents,
              ::testing::ElementsAre(first.ref.manifest));
}

TEST_F(Packing, HasTheChunksByWhichTheStateWasVerified) {
  state_.chunk_bytes = 65'536;
  state_.state_digest = state_digest_of(state_);
  const auto read = read_snapshot(store_, pack("one").ref.manifest);
  EXPECT_EQ(read.state_digest, state_.state_digest);
  EXPECT_EQ(read.chunk_bytes, state_.chunk_bytes);
}

TEST_F(Packing, ComesAfterTheNewestOfItsBranch) {
  (void)pack("one");
  labels_.branch = "fix";
  const auto other = pack("two");
  labels_.branch = "main";
  (void)pack("three");
  labels_.branch = "fix";
  const auto next = pack("four");
  EXPECT_EQ(next.ref.branch, "fix");
  EXPECT_THAT(store::get_manifest(store_, next.ref.manifest).parents,
              ::testing::ElementsAre(other.ref.manifest));
}

TEST_F(Packing, BeginsABranchAfterTheSnapshotFromWhichTheJobWentOn) {
  const auto first = pack("one");
  (void)pack("two");
  labels_.branch = "from-7";
  labels_.restored_from = to_string(first.ref.manifest);
  const auto back = pack("three");
  EXPECT_THAT(store::get_manifest(store_, back.ref.manifest).parents,
              ::testing::ElementsAre(first.ref.manifest));
  const auto next = pack("four");
  EXPECT_THAT(store::get_manifest(store_, next.ref.manifest).parents,
              ::testing::ElementsAre(back.ref.manifest));
}

/// Two runs of one name share the branch, and neither goes on from the other's state.
TEST_F(Packing, ComesAfterNoSnapshotOfAnotherRun) {
  labels_.run = "a";
  const auto first = pack("one");
  labels_.run = "b";
  const auto other = pack("two");
  EXPECT_EQ(other.ref.run, "b");
  const auto about = store::get_manifest(store_, other.ref.manifest);
  EXPECT_EQ(about.run, "b");
  EXPECT_THAT(about.parents, ::testing::IsEmpty());
  labels_.run = "a";
  EXPECT_THAT(store::get_manifest(store_, pack("three").ref.manifest).parents,
              ::testing::ElementsAre(first.ref.manifest));
  labels_.run = "c";
  labels_.restored_from = to_string(other.ref.manifest);
  EXPECT_THAT(store::get_manifest(store_, pack("four").ref.manifest).parents,
              ::testing::ElementsAre(other.ref.manifest));
}

/// An earlier release wrote it.
TEST_F(Packing, ComesAfterASnapshotThatDoesNotNameItsRun) {
  const auto first = pack("one");
  labels_.run = "a";
  EXPECT_THAT(store::get_manifest(store_, pack("two").ref.manifest).parents,
              ::testing::ElementsAre(first.ref.manifest));
}

/// Such as that of a job of another name.
TEST_F(Packing, NamesTheSnapshotFromWhichTheJobWentOnWhereItIsNotThisJobs) {
  const auto first = pack("one");
  labels_.job = "other";
  labels_.restored_from = to_string(first.ref.manifest);
  const auto back = pack("two");
  EXPECT_EQ(back.ref.number, 1U);
  EXPECT_THAT(store::get_manifest(store_, back.ref.manifest).parents,
              ::testing::ElementsAre(first.ref.manifest));
}

TEST(KeptVariables, AreWhatComputesAndNoSecrets) {
  EXPECT_TRUE(is_kept_variable("OMP_NUM_THREADS"));
  EXPECT_TRUE(is_kept_variable("PATH"));
  EXPECT_FALSE(is_kept_variable("AWS_SECRET_ACCESS_KEY"));
  EXPECT_FALSE(is_kept_variable("TORCH_HUB_TOKEN"));
  EXPECT_FALSE(is_kept_variable("CARDSWAP_TOKEN"));
}

}  // namespace
}  // namespace cardswap
