/// Method: what several threads write and read is held against what one does.

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>

#include "migrator/base/error.h"
#include "migrator/base/mutex.h"
#include "migrator/store/check_store.h"
#include "migrator/store/in_memory_store.h"
#include "migrator/store/names.h"
#include "tests/support/hooked_store.h"
#include "tests/unit/migrator/store/sample.h"

namespace cardswap::store {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kRegionBytes = 300 * test::kSampleChunk + 100;
constexpr std::size_t kRegions = 2;

/// Hundreds of chunks; some of them are alike.
test::State wide_state(unsigned seed) {
  test::State state;
  state.step = seed;
  state.layout =
      Layout({{"a", "Float", "[n]", kRegionBytes, 0}, {"b", "Float", "[n]", kRegionBytes, 0}});
  for (std::size_t i = 0; i < kRegions; ++i) {
    state.memory.push_back(test::weights(kRegionBytes, seed + static_cast<unsigned>(i)));
    auto& bytes = state.memory.back();
    std::copy_n(bytes.begin(), 20 * test::kSampleChunk, bytes.begin() + 40 * test::kSampleChunk);
  }
  state.values = test::bytes_of("step");
  return state;
}

Ref save_with(Store& store, PackCatalog& catalog, const test::State& state, const std::string& name,
              Workers* workers) {
  SnapshotWriter writer(store, catalog,
                        {.job = "gpt",
                         .layout = state.layout,
                         .chunk_bytes = test::kSampleChunk,
                         .writer = name,
                         .workers = workers});
  std::vector<GivenChunk> all;
  for (const auto& at : cut_into_chunks(state.layout, test::kSampleChunk)) {
    all.push_back({at.region, at.offset / test::kSampleChunk, state.chunk(at)});
  }
  writer.add_all(all);
  writer.add_values(state.values);
  return writer.commit(test::facts_of(state));
}

class Parallel : public ::testing::Test {
 protected:
  Parallel() { ensure_store_file(store_, "store-1"); }

  cardswap::test::HookedStore store_;
  PackCatalog catalog_;
  Workers workers_{4};
};

TEST_F(Parallel, WriterWritesWhatOneThreadWrites) {
  const auto state = wide_state(1);
  const auto ref = save_with(store_, catalog_, state, "many", &workers_);
  EXPECT_TRUE(test::holds(store_, ref, state));
  EXPECT_THAT(check_store(store_), IsEmpty());

  InMemoryStore alone;
  PackCatalog catalog;
  const auto expected = save_with(alone, catalog, state, "one", nullptr);
  const SnapshotReader one(alone, catalog, expected);
  const SnapshotReader many(store_, catalog_, ref);
  for (const auto& at : cut_into_chunks(state.layout, test::kSampleChunk)) {
    const auto index = at.offset / test::kSampleChunk;
    EXPECT_EQ(many.chunk_id(at.region, index), one.chunk_id(at.region, index));
  }
  EXPECT_EQ(catalog_.chunks(), catalog.chunks()) << "what is alike is there once";
}

/// The chunks that were in it count as given.
TEST_F(Parallel, WriterPublishesNothingOnceAPackWasLost) {
  const auto state = wide_state(1);
  for (auto* workers : {&workers_, static_cast<Workers*>(nullptr)}) {
    std::atomic<bool> fails{true};
    store_.before_put = [&](const std::string& name, std::span<const std::byte>) {
      if (name.starts_with(kPacks) && fails.exchange(false)) throw Error(Code::io, name);
    };
    SnapshotWriter writer(store_, catalog_,
                          {.job = "gpt",
                           .layout = state.layout,
                           .chunk_bytes = test::kSampleChunk,
                           .writer = workers == nullptr ? "one" : "many",
                           .workers = workers});
    test::give(writer, state);
    EXPECT_THROW((void)writer.commit(test::facts_of(state)), Error);
    EXPECT_THROW((void)writer.commit(test::facts_of(state)), Error);
    EXPECT_THAT(refs_of(store_, "gpt").refs, IsEmpty());
  }
}

TEST_F(Parallel, WriterRefusesAChunkThatComesTwiceInOneCall) {
  const auto state = wide_state(1);
  SnapshotWriter writer(store_, catalog_,
                        {.job = "gpt",
                         .layout = state.layout,
                         .chunk_bytes = test::kSampleChunk,
                         .writer = "w",
                         .workers = &workers_});
  const GivenChunk chunk{RegionId{0}, 0, std::span(state.memory[0]).first(test::kSampleChunk)};
  const std::array twice{chunk, chunk};
  EXPECT_THROW(writer.add_all(twice), Error);
}

TEST_F(Parallel, ReaderReadsAllIntoPlace) {
  const auto state = wide_state(1);
  const auto ref = save_with(store_, catalog_, state, "w", &workers_);
  const SnapshotReader reader(store_, catalog_, ref);
  std::vector<std::vector<std::byte>> memory(kRegions, std::vector<std::byte>(kRegionBytes));
  std::vector<std::span<std::byte>> into(memory.begin(), memory.end());
  const auto digests = reader.read_all(workers_, into);
  EXPECT_EQ(memory, state.memory);
  EXPECT_EQ(data::state_digest_of(state.layout, digests, digest_of(state.values)),
            state.state_digest());
  into.pop_back();
  EXPECT_THROW((void)reader.read_all(workers_, into), Error) << "memory of too few regions";
  into.push_back(into[0].first(10));
  EXPECT_THROW((void)reader.read_all(workers_, into), Error) << "too short a memory";
}

/// Method: two writers who did not see each other have put the same chunks, and one of the packs
/// goes once the reader knows of both.
TEST_F(Parallel, ReaderReadsFromTheOtherPackWhatAPruneHasRemoved) {
  const auto state = wide_state(1);
  PackCatalog of_another;
  const auto start = [&](const std::string& writer) {
    return SnapshotStart{
        .job = "gpt", .layout = state.layout, .chunk_bytes = test::kSampleChunk, .writer = writer};
  };
  SnapshotWriter one(store_, catalog_, start("one"));
  SnapshotWriter another(store_, of_another, start("another"));
  test::give(one, state);
  test::give(another, state);
  const auto ref = one.commit(test::facts_of(state));
  EXPECT_THROW((void)another.commit(test::facts_of(state)), Error) << "both would be number 1";
  PackCatalog both;
  both.refresh(store_);
  const SnapshotReader reader(store_, both, ref);
  store_.remove(pack_name(both.find(reader.chunk_id(RegionId{0}, 0))->pack));
  EXPECT_TRUE(test::holds(store_, ref, state));
  std::vector<std::vector<std::byte>> memory(kRegions, std::vector<std::byte>(kRegionBytes));
  const std::vector<std::span<std::byte>> into(memory.begin(), memory.end());
  (void)reader.read_all(workers_, into);
  EXPECT_EQ(memory, state.memory);
  EXPECT_THAT(reader.verify(), IsEmpty());
  std::vector<std::byte> some(100);
  Compressor compressor;
  reader.read(compressor, RegionId{0}, 0, some);
  EXPECT_TRUE(std::ranges::equal(some, std::span(state.memory[0]).first(some.size())));
}

/// Method: one bit of a pack is another; one chunk has it, which stands at two places.
TEST_F(Parallel, ReaderNamesWhatIsDamaged) {
  const auto state = wide_state(1);
  const auto ref = save_with(store_, catalog_, state, "w", &workers_);
  const SnapshotReader reader(store_, catalog_, ref);
  const auto* place = catalog_.find(reader.chunk_id(RegionId{0}, 3));
  ASSERT_NE(place, nullptr);
  const auto name = pack_name(place->pack);
  auto bytes = get(store_, name, kPackBytesMax);
  bytes[place->chunk.at + 5] ^= std::byte{1};
  store_.remove(name);
  (void)store_.put_new(name, bytes);
  Verification shared{workers_};
  const auto damage = reader.verify({}, &shared);
  ASSERT_THAT(damage, SizeIs(2));
  EXPECT_EQ(damage[0].object, "a chunk 3");
  EXPECT_EQ(damage[1].object, "a chunk 43");
  EXPECT_THAT(reader.verify(), SizeIs(2)) << "by one thread";
  std::vector<std::vector<std::byte>> memory(kRegions, std::vector<std::byte>(kRegionBytes));
  const std::vector<std::span<std::byte>> into(memory.begin(), memory.end());
  EXPECT_THROW((void)reader.read_all(workers_, into), Error);
  EXPECT_THAT(check_store(store_, &shared), Not(IsEmpty()));
}

/// A state of chunks that no codec shortens, each of which is read by itself.
struct LongState {
  static constexpr std::size_t kChunks = 40;
  static constexpr std::size_t kBytes = kChunks * kStoreChunkBytesMax;

  explicit LongState(Store& store) : memory(kBytes) {
    std::mt19937_64 random(1);
    for (std::size_t i = 0; i < kBytes; i += sizeof(std::uint64_t)) {
      const auto value = random();
      std::memcpy(&memory[i], &value, sizeof(value));
    }
    SnapshotWriter writer(store, catalog,
                          {.job = "gpt",
                           .layout = Layout({{"w", "Byte", "[n]", kBytes, 0}}),
                           .chunk_bytes = kStoreChunkBytesMax,
                           .writer = "w"});
    for (std::size_t i = 0; i < kChunks; ++i) writer.add(RegionId{0}, i, chunk(i));
    writer.add_values({});
    ref = writer.commit({});
  }
  [[nodiscard]] std::span<const std::byte> chunk(std::size_t i) const {
    return std::span(memory).subspan(i * kStoreChunkBytesMax, kStoreChunkBytesMax);
  }

  PackCatalog catalog;
  std::vector<std::byte> memory;
  Ref ref;
};

/// Method: what the store is told, and what is asked of it, by their numbers in the order of the
/// packs. With one thread these are the order in which they happen.
TEST_F(Parallel, ReaderTellsTheStoreOfEachRunOnceBeforeItReadsIt) {
  const LongState state(store_);
  const SnapshotReader reader(store_, state.catalog, state.ref);
  std::vector<std::byte> into(LongState::kBytes);
  const std::vector<std::span<std::byte>> memory{into};
  Mutex mutex;
  std::size_t told = 0;
  std::size_t read = 0;
  std::size_t ahead = 0;
  store_.read_ahead = [&](const std::string&, std::uint64_t, std::uint64_t bytes) {
    const MutexLock lock(mutex);
    EXPECT_LE(bytes, kStoreChunkBytesMax);
    ahead = std::max(ahead, ++told - read);
  };
  store_.before_read = [&](const std::string& name) {
    if (!name.starts_with(kPacks)) return;
    const MutexLock lock(mutex);
    EXPECT_GT(told, read++);
  };
  Workers alone(0);
  for (auto* workers : {&alone, &workers_}) {
    told = read = ahead = 0;
    (void)reader.read_all(*workers, memory);
    EXPECT_EQ(into, state.memory);
    EXPECT_EQ(read, LongState::kChunks);
    EXPECT_EQ(told, LongState::kChunks) << "each once";
    EXPECT_GE(ahead, 16U) << "the disk has something to do while the threads work";
    EXPECT_LE(ahead, 16U + workers->slots()) << "and memory has a bound";
  }
}

/// What was read before is lost, nothing more is asked for, and the caller hears of it.
TEST_F(Parallel, ReaderEndsAllThreadsWhereTheStoreFails) {
  const LongState state(store_);
  const SnapshotReader reader(store_, state.catalog, state.ref);
  std::vector<std::byte> into(LongState::kBytes);
  const std::vector<std::span<std::byte>> memory{into};
  std::atomic<std::size_t> reads{0};
  store_.before_read = [&](const std::string& name) {
    if (++reads == 10) throw Error(Code::io, name + ": the disk does not answer");
  };
  try {
    (void)reader.read_all(workers_, memory);
    ADD_FAILURE() << "a read failed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::io);
  }
  EXPECT_LE(reads, 10U + workers_.slots());
}

/// Method: one bit is another in the middle of what several threads read.
TEST_F(Parallel, ReaderNamesTheDamagedChunkAmongManyThatAreWhole) {
  const LongState state(store_);
  const SnapshotReader reader(store_, state.catalog, state.ref);
  const auto& id = reader.chunk_id(RegionId{0}, LongState::kChunks / 2);
  const auto place = *state.catalog.find(id);
  const auto name = pack_name(place.pack);
  auto bytes = get(store_, name, kPackBytesMax);
  bytes[place.chunk.at + 4711] ^= std::byte{1};
  store_.remove(name);
  (void)store_.put_new(name, bytes);
  std::vector<std::byte> into(LongState::kBytes);
  const std::vector<std::span<std::byte>> memory{into};
  try {
    (void)reader.read_all(workers_, memory);
    ADD_FAILURE() << "a chunk has another bit";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::corrupt);
    EXPECT_THAT(error.what(), ::testing::HasSubstr(to_string(id)));
  }
}

/// Where a chunk lies is asked of the store when the catalog does not know.
TEST_F(Parallel, VerificationCallsNoStoreDamagedThatDoesNotAnswer) {
  const auto ref = save_with(store_, catalog_, wide_state(1), "one", &workers_);
  const PackCatalog empty;
  const SnapshotReader reader(store_, empty, ref);
  store_.before_list = [](const std::string& prefix) { throw Error(Code::unreachable, prefix); };
  Verification shared{workers_};
  for (auto* with : {&shared, static_cast<Verification*>(nullptr)}) {
    try {
      EXPECT_THAT(reader.verify({}, with), IsEmpty()) << "nobody was told";
      ADD_FAILURE() << "the store was not asked";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::unreachable);
    }
  }
  store_.before_list = nullptr;
  EXPECT_THAT(reader.verify({}, &shared), IsEmpty()) << "it answers again";
}

TEST_F(Parallel, VerificationReadsNoChunkTwice) {
  const auto state = wide_state(1);
  const auto first = save_with(store_, catalog_, state, "one", &workers_);
  auto later = state;
  later.memory[1][0] ^= std::byte{1};
  const auto second = save_with(store_, catalog_, later, "two", &workers_);
  std::atomic<int> reads{0};
  store_.before_read = [&](const std::string& name) { reads += name.starts_with(kPacks) ? 1 : 0; };
  Verification shared{workers_};
  EXPECT_THAT(SnapshotReader(store_, catalog_, first).verify({}, &shared), IsEmpty());
  const int once = reads.exchange(0);
  EXPECT_THAT(SnapshotReader(store_, catalog_, second).verify({}, &shared), IsEmpty());
  EXPECT_EQ(reads, 2) << "the changed chunk, and the values, instead of " << once;
  // And none at all behind a check of everything.
  Verification whole{workers_};
  EXPECT_THAT(check_store(store_, &whole), IsEmpty());
  reads = 0;
  EXPECT_THAT(SnapshotReader(store_, catalog_, second).verify({}, &whole), IsEmpty());
  EXPECT_EQ(reads, 1) << "the values";
}

}  // namespace
}  // namespace cardswap::store
