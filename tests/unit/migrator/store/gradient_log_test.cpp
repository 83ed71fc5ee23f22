#include <gmock/gmock.h>

#include <limits>
#include <map>
#include <random>

#include "migrator/base/error.h"
#include "migrator/store/in_memory_store.h"
#include "migrator/store/log_index.h"
#include "migrator/store/log_segment.h"
#include "migrator/store/log_window.h"
#include "tests/unit/migrator/store/sample.h"

namespace cardswap::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Bytes = std::vector<std::byte>;

constexpr const char* kSegment = "logs/gpt/run/00000000000000000001/x";

Code log_code_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& e) {
    return e.code();
  }
  return Code::internal;
}

void append(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }

LogStart start_of(std::uint64_t epoch = 1, const std::string& branch = "main") {
  return {"gpt",     "run", branch, epoch, test::state_at(0).layout.digest(), test::kSampleChunk,
          "libtorch"};
}

LogRecord record_of(std::uint64_t step, const Bytes& gradient) {
  LogRecord record;
  record.step = step;
  record.root = digest_of(test::bytes_of(std::to_string(step)));
  record.values = test::bytes_of("rng");
  record.updates = {{0, test::bytes_of("lr"), {{4, gradient.size(), digest_of(gradient)}}}};
  return record;
}

/// A segment with these steps, each with a gradient of `bytes`.
Bytes segment_of(std::uint64_t first, std::uint64_t last, std::size_t bytes = 64,
                 const LogStart& start = start_of()) {
  auto segment = encode_log_start(start);
  for (auto step = first; step <= last; ++step) {
    const auto gradient = test::weights(bytes, static_cast<unsigned>(step));
    append(segment, encode_log_head(record_of(step, gradient)));
    append(segment, gradient);
  }
  return segment;
}

/// Steps that are read from a segment, with their payloads.
std::vector<std::uint64_t> steps_in(Store& store, const std::string& name) {
  std::vector<std::uint64_t> steps;
  LogSegmentReader reader(store, name);
  while (const auto placed = reader.next()) {
    reader.read_payload(*placed, [](std::size_t, const Bytes&) {});
    steps.push_back(placed->record.step);
  }
  return steps;
}

TEST(GradientLog, GivesBackWhatWasWritten) {
  InMemoryStore store;
  const auto gradient = test::weights(200, 1);
  const auto region = test::bytes_of("running mean");
  auto written = record_of(8, gradient);
  written.root.reset();
  written.regions = {{2, region.size(), digest_of(region)}};
  written.updates.push_back({1, {}, {}});  // a hook's
  auto bytes = encode_log_start(start_of());
  append(bytes, encode_log_head(written));
  append(bytes, region);
  append(bytes, gradient);
  store.put_new(kSegment, bytes);

  LogSegmentReader reader(store, kSegment);
  EXPECT_EQ(reader.start(), start_of());
  const auto placed = reader.next();
  ASSERT_TRUE(placed);
  EXPECT_EQ(placed->record, written);
  std::vector<Bytes> pieces;
  reader.read_payload(*placed, [&](std::size_t, Bytes piece) { pieces.push_back(piece); });
  EXPECT_THAT(pieces, ElementsAre(region, gradient));
  EXPECT_FALSE(reader.next());
}

TEST(GradientLog, RefusesEverySegmentWithOneOtherBit) {
  const auto whole = segment_of(5, 6);
  for (std::size_t bit = 0; bit < 8 * whole.size(); bit += 3) {
    auto bytes = whole;
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    InMemoryStore store;
    store.put_new(kSegment, bytes);
    EXPECT_EQ(log_code_of([&] { (void)steps_in(store, kSegment); }), Code::corrupt) << bit;
  }
}

TEST(GradientLog, RefusesASegmentThatEndsWithinARecord) {
  const auto whole = segment_of(5, 6);
  const auto first = segment_of(5, 5).size();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    InMemoryStore store;
    store.put_new(kSegment, std::span(whole).first(size));
    const auto start = encode_log_start(start_of()).size();
    if (size == start || size == first) continue;  // whole records
    EXPECT_EQ(log_code_of([&] { (void)steps_in(store, kSegment); }), Code::corrupt) << size;
  }
}

/// A head may say of its payload what it likes: nothing of that size is allocated.
TEST(GradientLog, AllocatesNoMoreThanTheObjectHas) {
  for (const auto bytes : {std::uint64_t{1} << 49, std::uint64_t{1} << 62,
                           std::numeric_limits<std::uint64_t>::max()}) {
    LogRecord record;
    record.updates = {{0, {}, {{0, bytes, {}}, {1, bytes, {}}}}};
    auto segment = encode_log_start(start_of());
    append(segment, encode_log_head(record));
    InMemoryStore store;
    store.put_new(kSegment, segment);
    EXPECT_EQ(log_code_of([&] { (void)steps_in(store, kSegment); }), Code::corrupt) << bytes;
  }
  auto frame = encode_log_start(start_of());
  append(frame, Bytes(4, std::byte{0xff}));  // a head of 4 GiB
  InMemoryStore store;
  store.put_new(kSegment, frame);
  EXPECT_EQ(log_code_of([&] { (void)steps_in(store, kSegment); }), Code::corrupt);
}

TEST(LogNames, ReadBackAndSortByStep) {
  const LogSegment segment{3, 101, 104};
  const auto name = log_name("gpt", "run", segment);
  EXPECT_EQ(name, "logs/gpt/run/00000000000000000003/00000000000000000101-00000000000000000104");
  EXPECT_TRUE(is_object_name(name));
  EXPECT_EQ(segment_in_name(name), segment);
  EXPECT_FALSE(segment_in_name("logs/gpt/run/00000000000000000003/101-104"));
  EXPECT_FALSE(segment_in_name(log_name("gpt", "run", {3, 104, 101}))) << "backwards";
  EXPECT_EQ(log_code_of([] { (void)log_name("gpt", "..", {}); }), Code::bad_request);
}

LogPart part(std::uint64_t epoch, std::uint64_t first, std::uint64_t last, std::uint64_t until) {
  return {{epoch, first, last}, until};
}

TEST(LogParts, LeadOnWithoutAGap) {
  const std::vector<LogSegment> log{{1, 98, 101}, {1, 102, 104}, {1, 106, 107}};
  EXPECT_THAT(parts_after(log, {100, 1}),
              ElementsAre(part(1, 98, 101, 101), part(1, 102, 104, 104)));
  EXPECT_THAT(parts_after(log, {105, 1}), ElementsAre(part(1, 106, 107, 107)));
  EXPECT_THAT(parts_after(log, {96, 1}), IsEmpty());
  EXPECT_THAT(parts_after(log, {107, 1}), IsEmpty());
  EXPECT_THAT(parts_after(log, {100, 2}), IsEmpty()) << "of an older epoch";
}

TEST(LogParts, FollowTheLaterEpochFromWhereItBegins) {
  const std::vector<LogSegment> log{{1, 101, 150}, {2, 141, 145}, {2, 146, 160}};
  EXPECT_THAT(parts_after(log, {100, 1}),
              ElementsAre(part(1, 101, 150, 140), part(2, 141, 145, 145), part(2, 146, 160, 160)));
  EXPECT_THAT(parts_after({{1, 101, 150}, {2, 101, 120}}, {100, 1}),
              ElementsAre(part(2, 101, 120, 120)));
  EXPECT_THAT(parts_after({{1, 101, 150}, {2, 120, 130}, {3, 110, 112}}, {100, 1}),
              ElementsAre(part(1, 101, 150, 109), part(3, 110, 112, 112)));
  EXPECT_THAT(parts_after({{1, 101, 150}, {2, 160, 170}}, {100, 1}),
              ElementsAre(part(1, 101, 150, 150)))
      << "steps between were not logged";
}

/// Method: random epochs that each begin somewhere in what was there and go on; a list of what each
/// step was last taken by is the truth.
TEST(LogParts, AreWhatWasLastTaken) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::map<std::uint64_t, std::uint64_t> truth;  // step -> epoch
    std::vector<LogSegment> log;
    std::uint64_t begin = 1;
    for (std::uint64_t epoch = 1; epoch <= 4; ++epoch) {
      const auto segments = random() % 4;
      if (segments == 0) continue;  // it has logged nothing: what was taken before is what there is
      truth.erase(truth.lower_bound(begin), truth.end());
      auto step = begin;
      for (auto left = segments; left > 0; --left) {
        const LogSegment one{epoch, step, step + random() % 3};
        for (auto at = one.first; at <= one.last; ++at) truth[at] = epoch;
        log.push_back(one);
        step = one.last + 1;
      }
      begin = 1 + random() % step;
    }
    const auto base = random() % 6;
    std::map<std::uint64_t, std::uint64_t> found;
    auto at = base + 1;
    for (const auto& one : parts_after(log, {base, 1})) {
      for (; at <= one.last; ++at) found[at] = one.segment.epoch;
    }
    truth.erase(truth.begin(), truth.lower_bound(base + 1));
    auto gap = base + 1;
    while (truth.contains(gap)) ++gap;
    truth.erase(truth.lower_bound(gap), truth.end());
    EXPECT_EQ(found, truth) << round;
  }
}

TEST(LogWindow, LetsOldStepsGoOnceASnapshotIsNewer) {
  const std::vector<LogSegment> log{{1, 1, 10, 5}, {1, 11, 20, 5}, {1, 21, 30, 5}};
  EXPECT_EQ(cut_of(log, 0, {5, 0}, 0).removable, 0U) << "nothing newer is verified";
  EXPECT_EQ(cut_of(log, 20, {15, 0}, 0).removable, 1U);
  EXPECT_EQ(cut_of(log, 20, {1, 0}, 0).removable, 2U);
  EXPECT_EQ(cut_of(log, 30, {0, 0}, 0).removable, 0U) << "no limit";
  EXPECT_EQ(cut_of(log, 19, {1, 0}, 0).removable, 1U) << "step 20 follows the snapshot";
}

TEST(LogWindow, KeepsToItsBytesOrSaysThatItIsFull) {
  const std::vector<LogSegment> log{{1, 1, 10, 5}, {1, 11, 20, 5}, {1, 21, 30, 5}};
  EXPECT_EQ(cut_of(log, 20, {0, 15}, 5).removable, 1U);
  EXPECT_FALSE(cut_of(log, 20, {0, 15}, 5).is_full);
  EXPECT_EQ(cut_of(log, 10, {0, 10}, 5).removable, 1U);
  EXPECT_TRUE(cut_of(log, 10, {0, 10}, 5).is_full);
  EXPECT_TRUE(cut_of({}, 0, {0, 10}, 11).is_full) << "one step alone is too large";
}

TEST(LogOrphans, AreThoseThatNoSnapshotLeadsTo) {
  const std::vector<LogSegment> log{{1, 1, 10}, {1, 11, 20}, {1, 21, 30}};
  EXPECT_THAT(orphans_of(log, {}), IsEmpty()) << "the first snapshot is to come";
  EXPECT_THAT(orphans_of(log, {15, 30}), ElementsAre(log[0]));
  EXPECT_THAT(orphans_of(log, {20}), ElementsAre(log[0], log[1]));
}

/// Method: a job's steps, snapshots that are stored some steps later, epochs that begin somewhere
/// in what was logged, a window that is kept, prunes of old snapshots: at random. From the newest
/// snapshot that is verified the log leads to the last step, always.
TEST(LogRetention, NeverBreaksTheWayFromTheNewestSnapshot) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::mt19937 random(seed);
    std::vector<LogSegment> log;
    std::vector<LogBase> bases{{0, 1}};
    std::uint64_t step = 0;
    std::uint64_t epoch = 1;
    std::uint64_t base = 0;  // that of which the trainer knows
    const LogWindow window{random() % 30, 0};
    for (int turn = 0; turn < 200; ++turn) {
      const auto what = random() % 12;
      if (what == 0) bases.push_back({step, epoch});
      if (what == 1) base = bases.back().step;  // it is told late, or never
      if (what == 2 && bases.size() > 2) bases.erase(bases.begin());
      if (what == 3) {  // killed: it goes on at its last step, under another epoch
        ++epoch;
        base = 0;
      }
      if (what == 4) {
        std::set<std::uint64_t> steps;
        for (const auto& one : bases) steps.insert(one.step);
        for (const auto& one : orphans_of(log, steps)) std::erase(log, one);
      }
      if (what < 5) continue;
      const LogSegment next{epoch, step + 1, step + 1 + random() % 3, 1};
      const auto cut = cut_of(log, base, window, 1);
      log.erase(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(cut.removable));
      log.push_back(next);
      step = next.last;
      const auto parts = parts_after(log, bases.back());
      const auto leads_to = parts.empty() ? bases.back().step : parts.back().last;
      ASSERT_EQ(leads_to, step) << "seed " << seed << ", turn " << turn;
    }
  }
}

/// A store with a snapshot of step 1 and a log that leads on from it.
class LogReachTest : public testing::Test {
 protected:
  LogReachTest() {
    ensure_store_file(store_, "s");
    from_ = test::save(store_, test::state_at(1));
    from_.run = "run";
    from_.epoch = 1;
  }
  void put(std::uint64_t first, std::uint64_t last, const LogStart& start = start_of()) {
    store_.put_new(log_name("gpt", "run", {start.epoch, first, last}),
                   segment_of(first, last, 64, start));
  }
  [[nodiscard]] LogReach reach(std::uint64_t most = 100, bool whole = true) {
    return log_reach(store_, from_, "main", most, whole);
  }
  InMemoryStore store_;
  Ref from_;
};

TEST_F(LogReachTest, GoesToTheLastStepOrToTheOneThatIsWanted) {
  EXPECT_EQ(reach().step, 1U);
  put(2, 4);
  put(5, 5);
  EXPECT_EQ(reach().step, 5U);
  EXPECT_EQ(reach().parts.size(), 2U);
  EXPECT_EQ(reach(3).step, 3U);
  EXPECT_EQ(reach(3).parts.back().last, 3U);
}

TEST_F(LogReachTest, EndsBeforeWhatIsDamagedAndTellsOfIt) {
  put(2, 3);
  auto bytes = segment_of(4, 6);
  bytes[bytes.size() - 80] ^= std::byte{1};  // in the payload of step 5 or the head of 6
  store_.put_new(log_name("gpt", "run", {1, 4, 6}), bytes);
  EXPECT_LT(reach().step, 6U);
  EXPECT_GE(reach().step, 3U);
  EXPECT_THAT(reach().damage, HasSubstr("00000000000000000004-00000000000000000006"));
}

TEST_F(LogReachTest, EndsWhereTheStateHasOtherRegions) {
  put(2, 3);
  auto other = start_of();
  other.layout = Digest{};
  put(4, 5, other);
  EXPECT_EQ(reach().step, 3U);
  EXPECT_TRUE(reach().has_new_layout);
  EXPECT_EQ(reach().damage, "");
}

TEST_F(LogReachTest, LeavesOtherBranchesOut) {
  put(2, 3);
  put(4, 5, start_of(2, "halved"));
  EXPECT_EQ(reach().step, 3U);
  EXPECT_EQ(log_reach(store_, from_, "halved", 100, true).step, 1U);
}

TEST_F(LogReachTest, PromisesNoStepWithoutItsRoot) {
  auto bytes = encode_log_start(start_of());
  for (std::uint64_t step = 2; step <= 4; ++step) {
    const auto gradient = test::weights(64, static_cast<unsigned>(step));
    auto record = record_of(step, gradient);
    if (step != 3) record.root.reset();
    append(bytes, encode_log_head(record));
    append(bytes, gradient);
  }
  store_.put_new(log_name("gpt", "run", {1, 2, 4}), bytes);
  EXPECT_EQ(reach().step, 3U);
  EXPECT_EQ(reach(2).step, 1U);
}

}  // namespace
}  // namespace cardswap::store
