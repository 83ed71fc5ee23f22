#include "migrator/engine/source/replay/update_log.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <new>
#include <thread>

#include "migrator/engine/replay_sizes.h"
#include "migrator/engine/source/context/state_window.h"

namespace cardswap {
namespace {

using namespace std::chrono_literals;

UpdateEntry entry_of(std::uint64_t step, std::size_t bytes, std::uint32_t parameter = 0) {
  const auto memory = std::make_shared<std::vector<std::byte>>(bytes);
  UpdateEntry entry;
  entry.step = step;
  entry.gradients.push_back({ParameterId{parameter}, *memory, memory});
  return entry;
}

/// Whether `call` comes to wait in the log, as the `waiting`th, and does not return before.
bool waits(const UpdateLog& log, const std::future<void>& call, std::uint32_t waiting = 1) {
  while (call.wait_for(0s) == std::future_status::timeout) {
    if (log.stats().waiting == waiting) return true;
    std::this_thread::yield();
  }
  return false;
}

TEST(UpdateLog, GivesEntriesInOrderAndCountsWhatIsHeld) {
  std::atomic<int> woken = 0;
  UpdateLog log([&] { ++woken; });
  log.append(entry_of(1, 100));
  log.append(entry_of(2, 50));
  EXPECT_EQ(woken, 2);
  EXPECT_EQ(log.stats().held_bytes, 150U);
  EXPECT_EQ(log.stats().unsent_bytes, 150U);
  EXPECT_EQ(log.take()->step, 1U);
  EXPECT_EQ(log.stats().held_bytes, 150U) << "held until it is replayed";
  EXPECT_EQ(log.stats().unsent_bytes, 50U);
  log.release(100);
  EXPECT_EQ(log.stats().held_bytes, 50U);
  EXPECT_EQ(log.take()->step, 2U);
  EXPECT_FALSE(log.take());
  EXPECT_EQ(log.stats().unsent_bytes, 0U);
}

TEST(UpdateLog, HoldsAGradientUntilItsEntryIsLetGo) {
  UpdateLog log([] {});
  auto entry = entry_of(1, 10);
  const std::weak_ptr<const void> memory = entry.gradients[0].owner;
  log.append(std::move(entry));
  entry = {};
  EXPECT_FALSE(memory.expired());
  { const auto taken = log.take(); }
  EXPECT_TRUE(memory.expired());
}

TEST(UpdateLog, PressesBackBeyondItsBound) {
  UpdateLog log([] {});
  log.set_bytes_max(150);
  log.append(entry_of(1, 200));  // one is always let in
  auto second = std::async(std::launch::async, [&] { log.append(entry_of(2, 100)); });
  EXPECT_TRUE(waits(log, second));
  log.release(200);
  second.get();
  EXPECT_GT(log.stats().back_pressure_ms, 0);
}

TEST(UpdateLog, ClosingLetsEverybodyGo) {
  UpdateLog log([] {});
  log.set_bytes_max(1);
  log.append(entry_of(1, 100));
  auto appending = std::async(std::launch::async, [&] { log.append(entry_of(2, 100)); });
  auto waiting = std::async(std::launch::async, [&] { log.wait_until_sent(2); });
  EXPECT_TRUE(waits(log, appending, 2));
  EXPECT_TRUE(waits(log, waiting, 2));
  log.close();
  appending.get();
  waiting.get();
  log.append(entry_of(3, 100));
  EXPECT_FALSE(log.take());
}

TEST(UpdateLog, TheLastStepWaitsUntilAllIsSent) {
  UpdateLog log([] {});
  log.append(entry_of(1, 10));
  auto waiting = std::async(std::launch::async, [&] { log.wait_until_sent(1); });
  (void)log.take();
  EXPECT_TRUE(waits(log, waiting));
  log.note_sent();
  waiting.get();
  EXPECT_GT(log.stats().log_wait_ms, 0);
}

TEST(UpdateLog, EndsBeforeAStepWaitsForRoomForLongerThanAllowed) {
  UpdateLog log([] {});
  log.set_bytes_max(1);
  log.set_wait_max(50ms);
  log.append(entry_of(1, 100));
  EXPECT_FALSE(log.has_overrun());
  log.append(entry_of(2, 100));  // nobody makes room
  EXPECT_TRUE(log.has_overrun());
  EXPECT_TRUE(log.is_closed());
  EXPECT_GE(log.stats().longest_wait_ms, 50);
  EXPECT_FALSE(log.take()) << "what waits would leave a hole behind it";
}

TEST(UpdateLog, HoldsAStepForNoLongerThanAllowedAllItsWaitsTogether) {
  UpdateLog log([] {});
  log.set_bytes_max(150);
  log.append(entry_of(1, 100));
  auto second = std::async(std::launch::async, [&] { log.append(entry_of(2, 100)); });
  EXPECT_TRUE(waits(log, second));
  log.release(100);
  second.get();
  const auto before = log.stats().longest_wait_ms;
  const auto allowed = before + 20;
  log.set_wait_max(StepWaits::Milliseconds(allowed));
  log.wait_until_sent(2);
  EXPECT_FALSE(log.stats().all_sent);
  EXPECT_GE(log.stats().longest_wait_ms, allowed - 0.001);
  EXPECT_DOUBLE_EQ(log.stats().longest_wait_ms, before + log.stats().log_wait_ms);
  EXPECT_FALSE(log.is_closed()) << "its entry goes after the step";
  EXPECT_TRUE(log.take());
}

TEST(UpdateLog, AnAuditComesBehindEveryUpdateOfItsStep) {
  UpdateLog log([] {});
  log.request_audit();
  log.append(entry_of(7, 10));
  log.append(entry_of(7, 10));  // of another optimizer
  EXPECT_FALSE(log.take_audit_step());
  log.end_step(7);
  EXPECT_EQ(log.take_audit_step(), 7U);
  EXPECT_FALSE(log.take()->audit);
  EXPECT_FALSE(log.take()->audit);
  EXPECT_TRUE(log.take()->audit);
  log.end_step(8);
  EXPECT_FALSE(log.take()) << "asked for once";
}

/// A parameter's gradient, taken early by a log that wants it.
struct EarlyGradientOf {
  std::vector<std::byte> memory;
  int copies = 0;
  bool operator()(UpdateLog& log, std::uint64_t step, std::uint32_t parameter = 0) {
    return log.append_early(step, ParameterId{parameter}, memory.size(), [this, parameter] {
      ++copies;
      const auto copy = std::make_shared<std::vector<std::byte>>(memory);
      return CapturedGradient{ParameterId{parameter}, *copy, copy};
    });
  }
};

TEST(UpdateLog, TakesAGradientEarlyOnlyWhereItIsWantedAndWouldGainByIt) {
  std::atomic<int> woken = 0;
  UpdateLog log([&] { ++woken; });
  log.set_bytes_max(100);
  EarlyGradientOf gradient{std::vector<std::byte>(60)};
  EXPECT_FALSE(gradient(log, 1)) << "nobody asked for it";
  log.want_early({true, true});
  EXPECT_TRUE(gradient(log, 1));
  EXPECT_EQ(woken, 1);
  EXPECT_FALSE(gradient(log, 1)) << "it is there";
  EXPECT_FALSE(gradient(log, 1, 1)) << "no room";
  EXPECT_FALSE(gradient(log, 1, 2)) << "another parameter";
  EXPECT_EQ(gradient.copies, 1);
  EXPECT_EQ(log.stats().held_bytes, 60U);
  EXPECT_EQ(log.stats().early_bytes, 60U);
  const auto early = log.take_early();
  ASSERT_TRUE(early);
  EXPECT_EQ(early->step, 1U);
  log.drop_early(*early);
  EXPECT_EQ(log.stats().held_bytes, 0U);
  log.append(entry_of(1, 10));
  EXPECT_FALSE(gradient(log, 2)) << "an entry has the line first";
  (void)log.take();
  EXPECT_TRUE(gradient(log, 2));
  log.close();
  EXPECT_FALSE(log.take_early());
  EXPECT_FALSE(gradient(log, 3));
}

TEST(UpdateLog, CountsAGradientOnceThoughItCameEarly) {
  UpdateLog log([] {});
  log.set_bytes_max(100);
  log.want_early({true});
  EarlyGradientOf gradient{std::vector<std::byte>(60)};
  ASSERT_TRUE(gradient(log, 1));
  const auto early = log.take_early();
  ASSERT_TRUE(early);
  log.append(entry_of(1, 60));  // does not wait for its own copy
  EXPECT_EQ(log.stats().held_bytes, 60U);
  EXPECT_EQ(log.stats().early_bytes, 0U);
  EXPECT_EQ(log.stats().back_pressure_ms, 0);
  log.drop_early(*early);  // the entry's now
  EXPECT_EQ(log.stats().held_bytes, 60U);
  log.release(60);
  EXPECT_EQ(log.stats().held_bytes, 0U);
}

TEST(UpdateLog, LetsAnEntryInThoughCopiesOfAnotherOptimizersGradientsFillIt) {
  UpdateLog log([] {});
  log.set_bytes_max(100);
  log.set_wait_max(50ms);  // it would be for ever: only this thread appends the other's entry
  log.want_early({true, true});
  EarlyGradientOf other{std::vector<std::byte>(60)};
  ASSERT_TRUE(other(log, 1, 1));
  log.append(entry_of(1, 80, 0));
  EXPECT_FALSE(log.has_overrun());
  EXPECT_EQ(log.stats().waited_ms, 0);
  EXPECT_EQ(log.stats().held_bytes, 140U);
  EXPECT_EQ(log.stats().early_bytes, 60U) << "its entry is still to come";
  (void)log.take();
  log.release(80);
  log.append(entry_of(1, 60, 1));
  EXPECT_FALSE(log.has_overrun());
  EXPECT_EQ(log.stats().held_bytes, 60U);
  EXPECT_EQ(log.stats().early_bytes, 0U);
}

TEST(UpdateLog, HasAnEntryWaitForTheEntriesBeforeItAlone) {
  UpdateLog log([] {});
  log.set_bytes_max(100);
  log.want_early({true, true});
  EarlyGradientOf other{std::vector<std::byte>(60)};
  ASSERT_TRUE(other(log, 1, 1));
  log.append(entry_of(1, 40));
  log.append(entry_of(1, 60));  // these two are the bound
  EXPECT_EQ(log.stats().waited_ms, 0);
  auto third = std::async(std::launch::async, [&] { log.append(entry_of(1, 60)); });
  EXPECT_TRUE(waits(log, third));
  log.release(60);
  third.get();
  EXPECT_FALSE(log.is_closed());
}

TEST(UpdateLog, StillHoldsTheNextStepsCopyWhenTheOneBeforeItIsDropped) {
  UpdateLog log([] {});
  log.want_early({true});
  EarlyGradientOf gradient{std::vector<std::byte>(60)};
  ASSERT_TRUE(gradient(log, 1));
  const auto first = log.take_early();
  ASSERT_TRUE(first);
  log.append(entry_of(1, 60));
  (void)log.take();  // and while that is compared with its copy, the next step makes one
  ASSERT_TRUE(gradient(log, 2));
  log.drop_early(*first);
  EXPECT_EQ(log.stats().held_bytes, 120U);
  EXPECT_EQ(log.stats().early_bytes, 60U);
  const auto second = log.take_early();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->step, 2U);
  log.drop_early(*second);
  EXPECT_EQ(log.stats().held_bytes, 60U) << "the entry's";
  EXPECT_EQ(log.stats().early_bytes, 0U);
}

TEST(UpdateLog, KeepsACopyThatIsMadeWhileTheOneBeforeItIsDropped) {
  UpdateLog log([] {});
  log.want_early({true});
  EarlyGradientOf gradient{std::vector<std::byte>(10)};
  ASSERT_TRUE(gradient(log, 1));
  const auto first = log.take_early();
  ASSERT_TRUE(first);
  log.append(entry_of(1, 10));
  (void)log.take();
  EXPECT_TRUE(log.append_early(2, ParameterId{0}, 10, [&] {
    log.drop_early(*first);
    return CapturedGradient{};
  }));
  EXPECT_EQ(log.stats().early_bytes, 10U);
  EXPECT_TRUE(log.take_early());
}

TEST(UpdateLog, HoldsNothingOfAGradientThatCouldNotBeCopied) {
  UpdateLog log([] {});
  log.want_early({true});
  EXPECT_THROW((void)log.append_early(1, ParameterId{0}, 10,
                                      []() -> CapturedGradient { throw std::bad_alloc(); }),
               std::bad_alloc);
  EXPECT_EQ(log.stats().held_bytes, 0U);
  EXPECT_FALSE(log.take_early());
}

TEST(UpdateLog, ForgetsACopyWhoseEntryCameFirst) {
  UpdateLog log([] {});
  log.want_early({true});
  EXPECT_FALSE(log.append_early(1, ParameterId{0}, 10, [&] {
    log.append(entry_of(1, 10));
    return CapturedGradient{};
  }));
  EXPECT_FALSE(log.take_early());
  EXPECT_EQ(log.stats().held_bytes, 10U);
}

TEST(ReplaySizes, CountsParametersAsGradientsAndHooksNot) {
  const Layout layout(
      {{"w", "Float", {10}, 40}, {"m", "Float", {10}, 40}, {"average", "Float", {10}, 40}});
  const std::vector<Shard> shards{{ParameterId{0}, {RegionId{0}, RegionId{1}}, true},
                                  {ParameterId{1}, {RegionId{2}}, false},
                                  {ParameterId{2}, {RegionId{9}}, true}};
  const auto sizes = replay_sizes(shards, layout);
  EXPECT_EQ(sizes.replayed_bytes, 120U);
  EXPECT_EQ(sizes.update_bytes, 40U);
}

TEST(StateWindow, IsReadByOneWhileItIsOpen) {
  StateWindow window;
  EXPECT_FALSE(window.try_read());
  window.open(5);
  {
    const auto read = window.try_read();
    ASSERT_TRUE(read);
    EXPECT_EQ(read->step(), 5U);
    EXPECT_FALSE(window.try_read()) << "one reader at a time";
  }
  window.close();
  EXPECT_FALSE(window.try_read());
}

TEST(StateWindow, ClosingWaitsForTheReaderAndCountsIt) {
  StateWindow window;
  window.open(1);
  auto read = window.try_read();
  auto closing = std::async(std::launch::async, [&] { window.close(); });
  while (window.is_open()) std::this_thread::yield();
  EXPECT_EQ(closing.wait_for(0s), std::future_status::timeout);
  read.reset();
  closing.get();
  EXPECT_GT(window.waited_ms(), 0);
}

}  // namespace
}  // namespace cardswap
