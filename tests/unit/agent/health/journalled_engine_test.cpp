// What changes the engine wakes who decides, and is on disk with the next write.
#include "agent/health/decisions/journalled_engine.h"

#include <gmock/gmock.h>

#include <functional>

#include "agent/journal/journal.h"
#include "tests/support/temp_dir.h"

namespace cardswap::health {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

class JournalledEngineTest : public ::testing::Test {
 protected:
  [[nodiscard]] JournalledEngine made() {
    Policy policy;
    policy.act = true;
    return {file_, std::move(policy), {{"cuda:0", "GPU-0", "0000:00:00"}}};
  }
  /// Whether `change` ends the wait of who decides; else that is as long as the test waits.
  bool wakes(JournalledEngine& engine, const std::function<void()>& change) {
    bool awake = false;
    tasks_.spawn("decide", wait(engine, awake));
    context_.restart();
    context_.poll();
    EXPECT_FALSE(awake) << "nothing was due";
    change();
    context_.restart();
    context_.poll();
    const bool was_awake = awake;
    engine.due().notify();
    context_.restart();
    context_.poll();
    return was_awake;
  }
  static Finding finding() {
    Finding seen;
    seen.device = "cuda:0";
    seen.code = "xid:79";
    seen.source = FaultSource::kernel_log;
    return seen;
  }

  const test::TempDir dir_;
  const std::filesystem::path file_ = dir_.path() / "journal.db";
  asio::io_context context_;
  TaskGroup tasks_{context_};
  Journal journal_{file_};

 private:
  static asio::awaitable<void> wait(JournalledEngine& engine, bool& awake) {
    co_await engine.due().wait_until(std::chrono::steady_clock::now() + 1h);
    awake = true;
  }
};

TEST_F(JournalledEngineTest, EachChangeWakesWhoDecides) {
  auto engine = made();
  const Move move{.incident = 1, .job = "job", .job_uid = "uid", .device = "cuda:0"};
  EXPECT_FALSE(wakes(engine, [&] { engine.observe(finding()); })) << "one of thousands, perhaps";
  EXPECT_TRUE(wakes(engine, [&] { engine.report(finding(), "GPU-0"); }));
  EXPECT_TRUE(wakes(engine, [&] { engine.emit_event({.kind = "told"}); }));
  EXPECT_TRUE(wakes(engine, [&] { engine.note_not_placed(move, "no device fits"); }));
  EXPECT_TRUE(wakes(engine, [&] { engine.note_move_ended(1, "uid", true); }));
  EXPECT_TRUE(wakes(engine, [&] { engine.forget_move("uid"); }));
  EXPECT_TRUE(wakes(engine, [&] { engine.note_cordoned(1); }));
  EXPECT_TRUE(wakes(engine, [&] { engine.note_cordon_failed(1, "the disk is full"); }));
  EXPECT_TRUE(wakes(engine, [&] { engine.learn("cuda:0", "GPU-1", "0000:01:00"); }));
  EXPECT_TRUE(wakes(engine, [&] { engine.use({}, {{"cuda:0", {}, {}}}); }));
  EXPECT_TRUE(wakes(engine, [&] { engine.close_breaker("looked at it", "test"); }));
  EXPECT_TRUE(wakes(engine, [&] { engine.clear("all", "replaced", "test"); }));
  EXPECT_FALSE(wakes(engine, [&] { (void)engine.plan({}); })) << "who asks is awake";
}

TEST_F(JournalledEngineTest, AChangeIsOnDiskWithTheNextWrite) {
  {
    auto engine = made();
    engine.observe(finding());
    ASSERT_TRUE(engine.flush());
    EXPECT_THAT(made().engine().incidents().all(), SizeIs(1));
    engine.clear("cuda:0", "replaced", "test");
    ASSERT_TRUE(engine.flush());
  }
  EXPECT_THAT(made().engine().incidents().all(), IsEmpty());
}

}  // namespace
}  // namespace cardswap::health
