/// Method: the writers, readers and prunes of the product work on one store in memory, each in a
/// thread of its own, and take turns: behind any call of the store another one goes on, and before
/// any call one may be killed, of which somebody knows later. After each turn every snapshot that
/// the store shows must be whole, and every one that a reader holds, shown or not. Whose turn it
/// is, who is killed and how the clock jumps are drawn from a seed.
///
/// retention_safe_test.cpp does the same with a model of these programs, 100,000 times.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <array>
#include <random>

#include "migrator/base/error.h"
#include "migrator/store/check_store.h"
#include "migrator/store/in_memory_store.h"
#include "migrator/store/job_retention.h"
#include "migrator/store/prune.h"
#include "migrator/store/read_intent.h"
#include "tests/support/turns.h"
#include "tests/unit/migrator/store/sample.h"
#include "tests/unit/migrator/store/store_mirror.h"

namespace cardswap::store {
namespace {

using testing::IsEmpty;

constexpr std::size_t kWorkers = 4;
constexpr int kTurns = 90;       // of a schedule
constexpr int kLongTurns = 500;  // of one in which prunes begin and end while somebody reads
constexpr unsigned kKilledOneOf = 250;
constexpr unsigned kTurnsOverOneOf = 5;
constexpr int kRestTurns = 30;
constexpr std::size_t kChunks = 3;

/// A process ends: no Error, which the product would handle.
struct Killed {};

/// Of a few chunks with a few contents each, so that snapshots share chunks with any earlier one.
test::State state_of(std::uint64_t step, const std::array<unsigned, kChunks>& contents) {
  test::State state;
  state.step = step;
  state.layout = Layout({{"w", "Byte", "[8192]", 8192, 0}, {"b", "Byte", "[64]", 64, 0}});
  state.memory = {std::vector<std::byte>(8192), std::vector<std::byte>(64)};
  const auto fill = [&](std::size_t region, std::size_t at, std::size_t size, unsigned content) {
    std::fill_n(state.memory[region].begin() + static_cast<std::ptrdiff_t>(at), size,
                static_cast<std::byte>(content));
  };
  fill(0, 0, 4096, contents[0]);
  fill(0, 4096, 4096, 10 + contents[1]);
  fill(1, 0, 64, 20 + contents[2]);
  state.values = test::bytes_of("step " + std::to_string(step));
  return state;
}

enum class Readers : std::uint8_t { put_intents, put_none };

/// What happens in one schedule.
class Schedule {
 public:
  Schedule(cardswap::test::Turns& turns, unsigned seed, int length, Readers readers)
      : turns_(turns), random_(seed), length_(length), readers_(readers) {}

  /// Returns what was wrong; empty: nothing.
  std::string run() {
    for (int i = 0; i < length_ && broken_.empty(); ++i) turn();
    is_draining_ = true;
    for (std::size_t i = 0; i < turns_.count(); ++i) {
      while (!turns_.is_idle(i)) turns_.turn(i);
    }
    look();
    if (broken_.empty()) read_all();
    return broken_;
  }
  [[nodiscard]] int published() const { return published_; }
  [[nodiscard]] int removed() const { return removed_; }
  [[nodiscard]] int restored() const { return restored_; }
  [[nodiscard]] int killed() const { return killed_; }

 private:
  /// One who works on the store, as long as it lives.
  struct Process {
    std::size_t worker = 0;
    bool is_dead = false;
    std::string intent;
  };

  /// The store as a process sees it.
  class Seen final : public Store {
   public:
    Seen(Schedule& schedule, Process& process) : schedule_(schedule), process_(process) {}

    PutResult put_new(const std::string& name, std::span<const std::byte> bytes) override {
      schedule_.before_a_call(process_);
      const auto result = schedule_.ram_.put_new(name, bytes);
      if (result == PutResult::created) schedule_.mirror_.put(name, bytes);
      return result;
    }
    std::size_t read(const std::string& name, std::uint64_t offset,
                     std::span<std::byte> into) override {
      schedule_.before_a_call(process_);
      return schedule_.ram_.read(name, offset, into);
    }
    std::optional<std::uint64_t> size_of(const std::string& name) override {
      schedule_.before_a_call(process_);
      return schedule_.ram_.size_of(name);
    }
    std::vector<std::string> list(const std::string& prefix, const std::string& after,
                                  std::size_t most) override {
      schedule_.before_a_call(process_);
      return schedule_.ram_.list(prefix, after, most);
    }
    void remove(const std::string& name) override {
      schedule_.before_a_call(process_);
      schedule_.ram_.remove(name);
      schedule_.mirror_.remove(name);
    }
    StoreFacts facts() override { return schedule_.ram_.facts(); }

   private:
    Schedule& schedule_;
    Process& process_;
  };

  unsigned below(unsigned limit) { return static_cast<unsigned>(random_()) % limit; }
  std::string fresh(const char* kind) { return kind + std::to_string(++names_); }
  void fail(const std::string& what) {
    if (broken_.empty()) broken_ = what;
  }

  void turn() {
    now_s_ += below(5);
    if (below(40) == 0) now_s_ += below(1000);  // a clock that jumps
    if (below(60) == 0) now_s_ -= below(500);
    if (below(4) == 0 && !dead_.empty()) {  // somebody knows by now
      ram_.remove(dead_.back());
      mirror_.remove(dead_.back());
      dead_.pop_back();
    }
    const auto worker = below(kWorkers);
    if (turns_.is_idle(worker)) turns_.give(worker, [this, worker] { live(worker); });
    turns_.turn(worker);
    look();
  }

  void look() {
    if (const auto missing = mirror_.missing(); !missing.empty()) fail("it lacks " + missing);
    for (const auto& [worker, ref] : held_) {
      const auto missing = mirror_.missing_of(ref);
      if (!missing.empty()) fail("a reader lacks " + missing);
    }
  }

  /// One process, from its begin to its end.
  void live(std::size_t worker) {
    Process process{worker, false, {}};
    try {
      Seen store(*this, process);
      switch (below(5)) {
        case 0:
        case 1: save(store, process); break;
        case 2: restore(store, process); break;
        default: prune_some(store); break;
      }
    } catch (const Killed&) {  // or in a destructor, from which nothing comes
    } catch (const Error& error) {
      fail(fmt::format("{}: {}", to_string(error.code()), error.what()));
    }
    held_.erase(worker);
    if (!process.is_dead) return;
    ++killed_;
    if (!process.intent.empty()) dead_.push_back(process.intent);
  }

  void before_a_call(Process& process) {
    if (process.is_dead) throw Killed();  // a destructor's call
    if (is_draining_) return;
    if (below(kKilledOneOf) == 0) {
      process.is_dead = true;
      throw Killed();
    }
    if (below(kTurnsOverOneOf) == 0) turns_.give_back(process.worker);
  }

  void save(Store& store, Process& process) {
    const auto writer = fresh("w");
    const auto refs = refs_of(store, "gpt").refs;
    std::optional<Ref> parent;
    if (!refs.empty() && below(4) != 0) parent = refs[below(static_cast<unsigned>(refs.size()))];
    process.intent = intent_name("gpt", writer);
    try {
      save_after(store, writer, parent);
    } catch (const Error& error) {
      const bool parent_went = error.code() == Code::not_found && parent;
      const bool is_known = error.code() == Code::refused || error.code() == Code::conflict;
      if (!parent_went && !is_known) throw error.within("a save");
    }
  }

  void save_after(Store& store, const std::string& writer, const std::optional<Ref>& parent) {
    auto contents = parent ? contents_.at(parent->step) : std::array<unsigned, kChunks>{};
    const auto before = state_of(0, contents);
    contents[below(kChunks)] = below(8);
    const auto step = ++steps_;
    contents_[step] = contents;
    const auto state = state_of(step, contents);
    PackCatalog catalog;
    SnapshotWriter out(store, catalog,
                       {.job = "gpt",
                        .layout = state.layout,
                        .chunk_bytes = test::kSampleChunk,
                        .writer = writer,
                        .parent = parent,
                        .compress = false});
    test::give(out, state, parent ? &before : nullptr);
    auto facts = test::facts_of(state);
    facts.tensors.clear();
    if (below(4) == 0) facts.branch = "fix";
    (void)out.commit(facts);
    ++published_;
  }

  void restore(Store& store, Process& process) {
    const auto reader = fresh("read-");
    process.intent = intent_name("gpt", reader);
    std::optional<ReadIntent> intent;
    if (readers_ == Readers::put_intents) intent.emplace(store, "gpt", reader);
    if (intent && intent->failed()) throw Error(*intent->failed());
    const auto refs = refs_of(store, "gpt").refs;
    if (refs.empty()) return;
    const auto& ref = refs[below(static_cast<unsigned>(refs.size()))];
    held_[process.worker] = ref_name("gpt", ref.number);
    if (below(3) == 0) rest(process);
    try {
      PackCatalog catalog;
      catalog.refresh(store);
      read(store, catalog, ref);
      ++restored_;
    } catch (const Error& error) {
      throw error.within("a restore of snapshot " + std::to_string(ref.number));
    }
  }
  /// It is slow: prunes begin and end meanwhile.
  void rest(Process& process) {
    for (int i = 0; i < kRestTurns && !is_draining_; ++i) turns_.give_back(process.worker);
  }
  void read(Store& store, const PackCatalog& catalog, const Ref& ref) {
    const SnapshotReader reader(store, catalog, ref);
    if (reader.manifest().state_digest !=
        state_of(ref.step, contents_.at(ref.step)).state_digest()) {
      fail(fmt::format("snapshot {} is another state", ref.number));
    }
    for (const auto& damage : reader.verify()) {
      fail(fmt::format("snapshot {}: {}: {}", ref.number, damage.object, damage.what));
    }
  }

  void prune_some(Store& store) {
    const KeepRule rule{.last = 1 + below(3), .hourly = below(2), .daily = below(2)};
    auto surplus = surplus_in(store, "gpt", rule, was_read_back_when_written);
    PruneOrder order;
    order.surplus["gpt"] = std::move(surplus.numbers);
    order.now_s = now_s_;
    order.grace_s = below(2) == 0 ? 0 : 100;
    const auto report = prune(store, order);
    removed_ += static_cast<int>(report.removed.size());
    if (!report.damaged.empty()) {
      fail("a prune finds damage: " + report.damaged[0].object + ": " + report.damaged[0].what);
    }
  }

  /// At the end, all that is shown, byte by byte.
  void read_all() {
    try {
      PackCatalog catalog;
      catalog.refresh(ram_);
      const auto list = refs_of(ram_, "gpt");
      for (const auto& ref : list.refs) read(ram_, catalog, ref);
      if (list.refs.size() != mirror_.shown()) fail("the mirror shows other snapshots");
    } catch (const Error& error) {
      fail(fmt::format("at the end: {}", error.what()));
    }
  }

  cardswap::test::Turns& turns_;
  std::minstd_rand random_;
  const int length_;
  const Readers readers_;
  InMemoryStore ram_;
  test::StoreMirror mirror_;
  std::map<std::uint64_t, std::array<unsigned, kChunks>> contents_;  // by step
  std::map<std::size_t, std::string> held_;  // by worker: the ref that it reads
  std::vector<std::string> dead_;
  std::string broken_;
  bool is_draining_ = false;
  std::int64_t now_s_ = 1'700'000'000;
  std::uint64_t steps_ = 0;
  unsigned names_ = 0;
  int published_ = 0;
  int removed_ = 0;
  int restored_ = 0;
  int killed_ = 0;
};

/// retention_safe: of so many schedules of snapshots, restores, prunes and kills of each, none
/// takes away what the store shows as restorable, or from under a restore.
void expect_safe(unsigned first, unsigned schedules, int length) {
  cardswap::test::Turns turns(kWorkers);
  int published = 0;
  int removed = 0;
  int restored = 0;
  int killed = 0;
  for (unsigned seed = first; seed < first + schedules; ++seed) {
    Schedule schedule(turns, seed, length, Readers::put_intents);
    ASSERT_EQ(schedule.run(), "") << "schedule " << seed;
    published += schedule.published();
    removed += schedule.removed();
    restored += schedule.restored();
    killed += schedule.killed();
  }
  fmt::print("{} schedules: {} snapshots, {} restores, {} objects removed, {} kills\n", schedules,
             published, restored, removed, killed);
  const auto many = static_cast<int>(schedules);
  EXPECT_GT(published, many);
  EXPECT_GT(restored, many / 4);
  EXPECT_GT(removed, many) << "a prune that removes nothing is safe for nothing";
  EXPECT_GT(killed, many / 4);
}

TEST(StoreSchedules, LeaveWhatIsShownRestorable) { expect_safe(1, 250, kTurns); }
TEST(StoreSchedules, LeaveReadersWhatTheyHold) { expect_safe(1, 24, kLongTurns); }

/// That the invariant is one: without the intent it breaks, mostly within some 30 schedules. By
/// hand: how many are wanted depends on how threads take turns. RetentionSafe has the same in its
/// model.
TEST(StoreSchedules, DISABLED_DeepTakeObjectsFromUnderAReaderThatPutsNoIntent) {
  cardswap::test::Turns turns(kWorkers);
  std::string broken;
  for (unsigned seed = 1; seed <= 200 && broken.empty(); ++seed) {
    broken = Schedule(turns, seed, kLongTurns, Readers::put_none).run();
  }
  EXPECT_THAT(broken, testing::HasSubstr("a reader lacks"));
}

/// Some minutes: by hand, with --gtest_also_run_disabled_tests.
TEST(StoreSchedules, DISABLED_DeepLeaveWhatIsShownRestorable) {
  expect_safe(1'000'000, 100'000, kTurns);
}

}  // namespace
}  // namespace cardswap::store
