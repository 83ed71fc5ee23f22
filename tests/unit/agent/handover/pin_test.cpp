#include "agent/handover/base/pin.h"

#include <gtest/gtest.h>

#include "agent/base/task_group.h"

namespace cardswap {
namespace {

/// A task that notes its end.
class Task : public Pinnable {
 public:
  explicit Task(bool& gone) : gone_(gone) {}
  ~Task() { gone_ = true; }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

 private:
  bool& gone_;
};

class AtWorkTest : public ::testing::Test {
 protected:
  asio::io_context context_;
  TaskGroup tasks_{context_};
  bool gone_ = false;
  std::shared_ptr<Task> task_ = std::make_shared<Task>(gone_);
};

TEST_F(AtWorkTest, IsCountedFromTheMomentAtWhichItsCoroutineIsMadeUntilThatHasEnded) {
  EXPECT_FALSE(task_->is_pinned());
  tasks_.spawn("wait", run_pinned(Pin(task_), pause_for(std::chrono::milliseconds(1))));
  EXPECT_TRUE(task_->is_pinned()) << "although it has not begun";
  context_.run();
  EXPECT_FALSE(task_->is_pinned());
}

TEST_F(AtWorkTest, KeepsItsTaskInMemory) {
  tasks_.spawn("wait", run_pinned(Pin(task_), pause_for(std::chrono::milliseconds(1))));
  task_.reset();
  EXPECT_FALSE(gone_);
  context_.run();
  EXPECT_TRUE(gone_);
}

TEST_F(AtWorkTest, IsCountedOnceWhereverItIsMoved) {
  {
    Pin first(task_);
    const Pin second(task_);
    const Pin moved(std::move(first));
    EXPECT_TRUE(task_->is_pinned());
  }
  EXPECT_FALSE(task_->is_pinned());
}

/// A pointer to a task is no work on it.
TEST_F(AtWorkTest, IsNotWhoeverOnlyHoldsTheTask) {
  const auto another = task_;
  EXPECT_FALSE(another->is_pinned());
}

TEST_F(AtWorkTest, EndsWithACoroutineThatNeverBegan) {
  tasks_.stop();
  tasks_.spawn("late", run_pinned(Pin(task_), pause_for(std::chrono::hours(1))));
  EXPECT_FALSE(task_->is_pinned());
}

}  // namespace
}  // namespace cardswap
