#include "runtime/tracker.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <future>
#include <memory>
#include <thread>
#include <tuple>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/shared_tensor.h"
#include "runtime/session/plain_states.h"
#include "runtime/step_gate.h"

namespace cardswap {
namespace {

using ::testing::SizeIs;

/// Two names for one storage, as tied weights have them.
class Shared final : public TrackedState {
 public:
  explicit Shared(std::span<std::byte> memory) : memory_(memory) {}
  void regions(std::vector<TrackedRegion>& out) override {
    out.push_back({"one", "bytes", "[8]", memory_, memory_.data(), {}});
    out.push_back({"two", "bytes", "[8]", memory_, memory_.data(), {}});
  }

 private:
  std::span<std::byte> memory_;
};

TEST(Tracker, SendsASharedStorageOnceUnderItsFirstNameAndTellsTheOther) {
  std::vector<std::byte> memory(8);
  Tracker tracker;
  tracker.add("tied", std::make_unique<Shared>(memory));
  const auto state_view = tracker.state_view();
  ASSERT_THAT(state_view.layout.regions(), SizeIs(2));
  EXPECT_EQ(state_view.layout.regions()[0].name, "tied/one");
  const Region told{"tied/two", kSharedTensor, "bytes [8] of tied/one", 0, 0};
  EXPECT_EQ(state_view.layout.regions()[1], told);
  EXPECT_TRUE(state_view.memory[1].empty());
}

/// A variable that may hold any tensor after the next step: the layout would change with it.
TEST(Tracker, TellsNoSharedMemoryWhoseShapeIsNotKnown) {
  std::vector<std::byte> memory(8);
  Tracker tracker;
  tracker.add("first", std::make_unique<MemoryState>(memory));
  tracker.add("second", std::make_unique<MemoryState>(memory));
  EXPECT_THAT(tracker.state_view().layout.regions(), SizeIs(1));
}

/// Remembers the names that it is to adopt.
class Adopting final : public TrackedState {
 public:
  explicit Adopting(std::vector<std::string>& names) : names_(names) {}
  void adopt(const std::vector<std::string>& names) override { names_ = names; }

 private:
  std::vector<std::string>& names_;
};

TEST(Tracker, HasNothingMadeForATensorInAnEarlierOnesMemory) {
  std::vector<std::string> names;
  Tracker tracker;
  tracker.add("model", std::make_unique<Adopting>(names));
  (void)tracker.adopt(Layout({{"model/w", "Float", "[2]", 8, 0},
                              {"model/tied", kSharedTensor, "Float [2] of model/w", 0, 0}}));
  EXPECT_EQ(names, std::vector<std::string>{"w"});
}

TEST(Tracker, HasOneLayoutWhileWhatIsTrackedStaysTheSame) {
  std::vector<std::byte> memory(64);
  std::vector<std::byte> more(8);
  Tracker tracker;
  tracker.add("memory", std::make_unique<MemoryState>(memory));
  const auto first = tracker.state_view().layout;
  EXPECT_EQ(&tracker.state_view().layout.regions(), &first.regions()) << "a boundary costs no copy";
  tracker.add("more", std::make_unique<MemoryState>(more));
  EXPECT_FALSE(tracker.state_view().layout == first);
}

TEST(Tracker, RefusesANameTwice) {
  int value = 0;
  Tracker tracker;
  tracker.add("step", Trackable<int>::make(value));
  EXPECT_THROW(tracker.add("step", Trackable<int>::make(value)), Error);
  EXPECT_THROW(tracker.add("", Trackable<int>::make(value)), Error);
}

TEST(Tracker, RefusesANameWithASlashWhichSeparatesAThingFromItsRegions) {
  std::vector<std::byte> memory(8);
  Tracker tracker;
  for (const auto* name : {"encoder/optimizer", "/", "optimizer/"}) {
    EXPECT_THROW(tracker.add(name, std::make_unique<MemoryState>(memory)), Error) << name;
  }
  EXPECT_TRUE(tracker.entries().empty());
  tracker.add("encoder.optimizer", std::make_unique<MemoryState>(memory));
  EXPECT_THAT(tracker.entries(), SizeIs(1));
}

TEST(StepGate, CountsBoundariesAndLetsThemPass) {
  StepGate gate({});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(gate.boundary(), StepResult::proceed);
  EXPECT_EQ(gate.step(), 5U);
  EXPECT_GT(gate.median_step_ms(), 0);
}

TEST(StepGate, DoesNotStandAfterItsCallbackHasThrown) {
  StepGate::Callbacks callbacks;
  callbacks.on_parked = [] { throw Error(Code::no_memory, "no thread is left"); };
  StepGate gate(std::move(callbacks));
  gate.park();
  EXPECT_THROW((void)gate.boundary(), Error);
  ASSERT_FALSE(gate.is_parked());
  EXPECT_FALSE(gate.run_parked([] {})) << "no thread would run it";
}

TEST(StepGate, EndsATaskForAThreadWhoseCallbackThrows) {
  StepGate* known = nullptr;
  std::future<bool> asked;
  StepGate gate({{},
                 [&] {
                   asked = std::async(std::launch::async, [&] { return known->run_parked([] {}); });
                   throw Error(Code::no_memory, "no thread is left");
                 },
                 {}});
  known = &gate;
  gate.park();
  EXPECT_THROW((void)gate.boundary(), Error);
  EXPECT_FALSE(asked.get()) << "no thread runs it, whether it came before the exception or after";
}

TEST(StepGate, HoldsTheTrainingThreadUntilItIsReleased) {
  std::atomic<bool> parked{false};
  StepGate gate({{},
                 [&] {
                   parked = true;
                   parked.notify_all();
                 },
                 {}});
  gate.park();
  std::jthread trainer([&] { EXPECT_EQ(gate.boundary(), StepResult::proceed); });
  parked.wait(false);
  const auto trainer_id = trainer.get_id();
  std::thread::id ran_on;
  EXPECT_TRUE(gate.run_parked([&] { ran_on = std::this_thread::get_id(); }));
  EXPECT_EQ(ran_on, trainer_id);
  EXPECT_THROW((void)gate.run_parked([] { throw Error(Code::internal, "as it should"); }), Error);
  gate.release();
}

TEST(StepGate, RunsNothingOnAThreadThatDoesNotStand) {
  StepGate gate({});
  bool ran = false;
  EXPECT_FALSE(gate.run_parked([&] { ran = true; })) << "it trains: nobody would come for it";
  EXPECT_EQ(gate.boundary(), StepResult::proceed);
  EXPECT_FALSE(ran);
}

/// What it stood for is over even if it has not seen that yet: who parks it next is told that it
/// stands.
TEST(StepGate, StandsAnewAtTheNextBoundaryWhenItIsParkedJustAfterItsRelease) {
  std::atomic<int> stood{0};
  StepGate gate({{},
                 [&] {
                   ++stood;
                   stood.notify_all();
                 },
                 {}});
  gate.park();
  std::jthread trainer([&] {
    EXPECT_EQ(gate.boundary(), StepResult::proceed);
    EXPECT_EQ(gate.boundary(), StepResult::proceed);
  });
  stood.wait(0);
  EXPECT_TRUE(gate.run_parked([&] {
    gate.release();
    gate.park();
    EXPECT_FALSE(gate.is_parked()) << "it has a step to take";
  }));
  stood.wait(1);
  EXPECT_EQ(gate.step(), 2U);
  gate.release();
}

TEST(StepGate, EndsTheLoopWhenRetired) {
  StepGate gate({});
  gate.park();
  std::jthread trainer([&] { EXPECT_EQ(gate.boundary(), StepResult::moved); });
  gate.retire();
}

[[noreturn]] void end_this_process() {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, "its time is over\n", 17);
  ::_exit(75);
}

/// The process that learns that it moved, and then does what it is told not to.
template <class Forbidden>
void go_on_after_moved(Forbidden forbidden) {
  StepGate gate({}, &end_this_process, std::chrono::milliseconds(50));
  gate.retire();
  if (gate.boundary() != StepResult::moved) ::_exit(1);
  forbidden(gate);
  ::_exit(2);  // it came back
}

TEST(StepGateDeathTest, LetsNobodyPassAfterItSaidMoved) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto ends = ::testing::ExitedWithCode(75);
  EXPECT_EXIT(go_on_after_moved([](auto& gate) { std::ignore = gate.boundary(); }), ends, "over");
  EXPECT_EXIT(go_on_after_moved([](auto& gate) { gate.wait_if_retired(); }), ends, "over");
  EXPECT_EXIT(go_on_after_moved([](auto& gate) {
                gate.release();  // nor by an agent's odd word
                std::ignore = gate.boundary();
              }),
              ends, "over");
  EXPECT_EXIT(go_on_after_moved(
                  [](auto& gate) { std::jthread([&] { std::ignore = gate.boundary(); }).join(); }),
              ends, "over");
}

TEST(StepGate, TellsOneThreadThatItMoved) {
  // As the gate, these outlive what is here: two threads never come back.
  static std::atomic<int> told{0};
  static std::atomic<int> heard{0};  // that it moved, or that it is kept back
  told = heard = 0;
  const auto apply_throttle = [] {
    ++heard;
    heard.notify_all();
    while (true) ::pause();
  };
  auto* gate = new StepGate({}, apply_throttle, std::chrono::milliseconds(0));
  gate->park();
  for (int i = 0; i < 3; ++i) {
    std::thread([gate] {
      if (gate->boundary() == StepResult::moved) ++told;
      ++heard;
      heard.notify_all();
    }).detach();
  }
  gate->retire();
  // The third waits for its turn, which the second does not give back.
  for (int now = heard; now < 2; now = heard) heard.wait(now);
  EXPECT_EQ(told, 1);
}

TEST(StepGate, LetsAThreadThatStandsGoToItsNextBoundaryAndNoFurther) {
  std::atomic<int> stood{0};
  StepGate gate({{},
                 [&] {
                   ++stood;
                   stood.notify_all();
                 },
                 {}});
  gate.park();
  std::atomic<int> passed{0};
  const std::jthread loop([&] {
    for (int i = 0; i < 3; ++i) {
      if (gate.boundary() == StepResult::proceed) ++passed;
    }
  });
  stood.wait(0);
  EXPECT_EQ(passed, 0);
  gate.step_once();
  stood.wait(1);
  EXPECT_EQ(passed, 1);
  EXPECT_EQ(gate.step(), 2U);
  gate.release();
}

TEST(Session, IsOneInAProcess) {
  {
    const auto session = Session::open();
    EXPECT_THROW(std::ignore = Session::open(), Error);
  }
  auto session = Session::open();
  const auto moved = std::move(session);
  EXPECT_THROW(std::ignore = Session::open(), Error);
}

TEST(Session, CallsNoHookThatItRefused) {
  auto session = Session::open();
  int kept = 0;
  int refused = 0;
  session.after_step("average", [&] { ++kept; }, {});
  EXPECT_THROW(session.after_step("average", [&] { ++refused; }, {}), Error);
  EXPECT_EQ(session.step(), StepResult::proceed);
  EXPECT_EQ(kept, 1);
  EXPECT_EQ(refused, 0);
}

TEST(Session, IsInertWithoutAnAgent) {
  auto session = Session::open();
  int value = 3;
  session.track("value", value);
  EXPECT_EQ(session.step_boundary(), StepResult::proceed);
  EXPECT_FALSE(session.is_standby());
  EXPECT_EQ(session.steps(), 1U);
  const auto before = session.state_digest();
  value = 4;
  EXPECT_NE(session.state_digest(), before);
}

}  // namespace
}  // namespace cardswap
