/// Method: as criu_test, with a scripted stand-in for libcuda on each host that says that the job's
/// processes have CUDA state, what state that is in, and what it was asked to do. The job itself
/// uses no GPU. What the stand-in cannot tell is whether a real driver does as it was asked.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>
#include <sstream>

#include "tests/integration/moved_cuda_process.h"

namespace cardswap::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

pid_t parent_of(pid_t pid) {
  std::istringstream status(read_file("/proc/" + std::to_string(pid) + "/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("PPid:")) return static_cast<pid_t>(std::stol(line.substr(5)));
  }
  return 0;
}

TEST_F(MovedCudaProcess, GoesToAnotherGpuAndBack) {
  make_b();
  start("1500");
  EXPECT_THAT((*a)->command({"devices"}).out,
              HasSubstr("their CUDA state with the NVIDIA driver (CUDA 13.0)"));

  const auto moved = parsed(move(*a, *b));

  EXPECT_EQ(text(moved, "result"), "ok") << logs();
  EXPECT_THAT(a->calls(), ElementsAre("Lock 10000", "Checkpoint"));
  EXPECT_THAT(b->calls(), ElementsAre("Restore 7>9", "Unlock"));
  const auto parts = moved.at("process").as_object();
  EXPECT_GT(number(parts, "driver_suspend_ms"), 0);
  EXPECT_GT(number(parts, "driver_resume_ms"), 0);
  EXPECT_EQ(text(parsed(move(*b, *a)), "result"), "ok") << logs();
  EXPECT_THAT(b->calls(), ElementsAre("Restore 7>9", "Unlock", "Lock 10000", "Checkpoint"));
  EXPECT_THAT(a->calls(), ElementsAre("Lock 10000", "Checkpoint", "Restore 0>0", "Unlock"));
  expect_undisturbed_end(*a);
}

TEST_F(MovedCudaProcess, IsGivenNoPairsForTheSameGpu) {
  make_b(kGpuOfA);
  b->script("version 12080");  // which knows no pairs
  (*b)->kill_agent(SIGKILL);
  (*b)->start_agent();
  start("700");
  EXPECT_EQ(text(parsed(move(*a, *b)), "result"), "ok") << logs();
  EXPECT_THAT(b->calls(), ElementsAre("Restore", "Unlock"));
  expect_undisturbed_end(*b);
}

TEST_F(MovedCudaProcess, IsLeftAloneWhereItHasNoCudaState) {
  make_b();
  a->script("fail GetState 3");
  start("700");
  const auto moved = parsed(move(*a, *b));
  EXPECT_EQ(text(moved, "result"), "ok") << logs();
  EXPECT_FALSE(moved.at("process").as_object().contains("driver_suspend_ms"));
  EXPECT_THAT(a->calls(), IsEmpty());
  EXPECT_THAT(b->calls(), IsEmpty());
  expect_undisturbed_end(*b);
}

TEST_F(MovedCudaProcess, LeavesAHostWhoseDriverHangs) {
  make_b();
  a->script("hold GetState 1");
  start("5000");
  const auto moved = move(*a, *b);
  a->script("hold GetState 0");
  EXPECT_EQ(text(parsed(moved), "result"), "ok") << logs();
  EXPECT_THAT(a->calls(), IsEmpty());
  EXPECT_THAT((*a)->command({"devices"}).out, HasSubstr("the NVIDIA driver did not say in time"));
  expect_undisturbed_end(*b);
}

TEST_F(MovedCudaProcess, GoesOnWhenItsGpuDoesNotComeToRest) {
  make_b();
  a->script("fail Lock 600");
  start("1000");
  const auto outcome = move(*a, *b);
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out + outcome.err, HasSubstr("cuCheckpointProcessLock"));
  EXPECT_TRUE((*a)->steps_again_within("job", 5s)) << logs();
  EXPECT_THAT(a->calls(), IsEmpty()) << "it was running all the time";
  EXPECT_EQ((*b)->leftovers(), "");
  expect_undisturbed_end(*a);
}

TEST_F(MovedCudaProcess, GoesOnWhenItsStateCannotBeSaved) {
  make_b();
  a->script("fail Checkpoint 2");
  start("1000");
  EXPECT_NE(move(*a, *b).exit_code, 0);
  EXPECT_TRUE((*a)->steps_again_within("job", 5s)) << logs();
  EXPECT_THAT(a->calls(), ElementsAre("Lock 10000", "Unlock"));
  expect_undisturbed_end(*a);
}

TEST_F(MovedCudaProcess, GoesOnWhereItWasWhenItsStateCannotBeRestored) {
  make_b();
  b->script("fail Restore 2");
  start("1500");
  const auto outcome = move(*a, *b);
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out + outcome.err, HasSubstr("restore the process on b"));
  EXPECT_TRUE((*a)->steps_again_within("job", 5s)) << logs();
  EXPECT_THAT(a->calls(), ElementsAre("Lock 10000", "Checkpoint", "Restore", "Unlock"));
  EXPECT_THAT(b->calls(), IsEmpty()) << "what is killed is checkpointed still";
  EXPECT_EQ((*b)->leftovers(), "");
  b->script("fail Restore 0");
  EXPECT_EQ(text(parsed(move(*a, *b)), "result"), "ok") << logs();
  expect_undisturbed_end(*b);
}

TEST_F(MovedCudaProcess, IsUnlockedByTheAgentThatComesAfterOneThatDiedInBetween) {
  make_b();
  a->script("hold Checkpoint 1");
  start("2000");
  const auto id = text(parsed(move(*a, *b, {"--detach"})), "id");
  ASSERT_TRUE(within(20s, [&] { return !a->calls().empty(); })) << logs();
  (*a)->kill_agent(SIGKILL);
  EXPECT_THAT(a->calls(), ElementsAre("Lock 10000"));
  a->script("hold Checkpoint 0");
  (*a)->start_agent();
  EXPECT_TRUE((*a)->steps_again_within("job", 10s)) << logs();
  expect_aborted(id);
  EXPECT_THAT(a->calls(), ElementsAre("Lock 10000", "Unlock"));
  EXPECT_TRUE(within(15s, [&] { return (*b)->leftovers().empty(); })) << (*b)->leftovers();
  expect_undisturbed_end(*a);
}

TEST_F(MovedCudaProcess, IsRestoredByTheAgentThatComesAfterOneThatDied) {
  make_b();
  start("3000");
  std::vector<std::string> expected;
  for (const std::string phase : {"shipping", "restoring"}) {
    b->script(kCheckpointed);
    const auto id = held_at(phase);
    (*a)->kill_agent(SIGKILL);
    (*a)->start_agent();
    EXPECT_TRUE((*a)->steps_again_within("job", 10s)) << phase << logs();
    expect_aborted(id);
    expected.insert(expected.end(), {"Lock 10000", "Checkpoint", "Restore", "Unlock"});
    EXPECT_EQ(a->calls(), expected) << phase;
    EXPECT_TRUE(within(15s, [&] { return (*b)->leftovers().empty(); })) << (*b)->leftovers();
  }
  expect_undisturbed_end(*a);
}

TEST_F(MovedCudaProcess, StaysSuspendedWhereTheJobBelongsToTheTarget) {
  make_b();
  start("1500");
  const auto id = held_at("committed");
  (*a)->kill_agent(SIGKILL);
  (*a)->start_agent();
  EXPECT_TRUE(within(20s, [&] {
    return text((*a)->ask({"status", id}), "state") == "completed";
  })) << logs();
  EXPECT_THAT(a->calls(), ElementsAre("Lock 10000", "Checkpoint")) << "and was killed so";
  EXPECT_THAT(b->calls(), ElementsAre("Restore 7>9", "Unlock"));
  expect_undisturbed_end(*b);
}

TEST_F(MovedCudaProcess, LetsItsGpusGoBeforeItIsKilled) {
  make_b();
  start("3000");
  const auto id = held_at("restoring");
  const auto copy = copy_at_b();
  b->script("hold Checkpoint 1");

  EXPECT_EQ((*a)->command({"cancel", id}).exit_code, 0);

  EXPECT_TRUE((*a)->steps_again_within("job", 5s)) << logs();
  EXPECT_TRUE(within(5s, [&] { return b->calls().size() == 3; })) << logs();
  EXPECT_EQ(::kill(copy, 0), 0) << "killed while its GPUs were not let go";
  b->script("hold Checkpoint 0");
  EXPECT_TRUE(within(5s, [&] { return ::kill(copy, 0) != 0; })) << logs();
  EXPECT_THAT(b->calls(), ElementsAre("Restore 7>9", "Unlock", "Lock 2000", "Checkpoint"));
  expect_aborted(id);
  EXPECT_TRUE(within(5s, [&] { return (*b)->leftovers().empty(); })) << (*b)->leftovers();
  EXPECT_THAT(a->calls(), ElementsAre("Lock 10000", "Checkpoint", "Restore", "Unlock"));
  expect_undisturbed_end(*a);
}

TEST_F(MovedCudaProcess, GoesOnWhenTheTargetsAgentDies) {
  make_b();
  start("2000");
  const auto id = held_at("restoring");
  ASSERT_TRUE(within(10s, [&] { return b->calls().size() == 2; })) << logs();
  (*b)->kill_agent(SIGKILL);
  EXPECT_TRUE((*a)->steps_again_within("job", 10s)) << logs();
  (*b)->start_agent();
  EXPECT_TRUE(within(5s, [&] { return (*b)->leftovers().empty(); })) << (*b)->leftovers();
  expect_aborted(id);
  EXPECT_THAT(a->calls(), ElementsAre("Lock 10000", "Checkpoint", "Restore", "Unlock"));
  expect_undisturbed_end(*a);
}

/// Its init does not notice in time that the agent died.
TEST_F(MovedCudaProcess, LetsItsGpusGoThoughItOutlivedItsAgent) {
  make_b();
  start("3000");
  const auto id = held_at("restoring");
  const auto copy = copy_at_b();
  const auto init = parent_of(copy);
  ASSERT_GT(init, 1);
  ::kill(init, SIGSTOP);
  (*b)->kill_agent(SIGKILL);
  ASSERT_EQ(::kill(copy, 0), 0);
  (*b)->start_agent();
  EXPECT_TRUE(within(10s, [&] { return ::kill(copy, 0) != 0; })) << logs();
  EXPECT_THAT(b->calls(), ElementsAre("Restore 7>9", "Unlock", "Lock 2000", "Checkpoint"));
  EXPECT_TRUE(within(5s, [&] { return (*b)->leftovers().empty(); })) << (*b)->leftovers();
  expect_aborted(id);
  EXPECT_TRUE((*a)->steps_again_within("job", 10s)) << logs();
  expect_undisturbed_end(*a);
}

TEST_F(MovedCudaProcess, WaitsForTheMemoryOfItsGpu) {
  make_b();
  start("3000");
  const auto id = held_at("shipping");
  a->script("fail Restore 2");
  EXPECT_EQ((*a)->command({"cancel", id}).exit_code, 0);
  EXPECT_TRUE((*a)->steps_again_within("job", 5s)) << logs();
  EXPECT_EQ(text((*a)->ask({"status", id}), "state"), "aborting");
  a->script("fail Restore 0");
  expect_aborted(id);
  EXPECT_THAT(a->calls(), ElementsAre("Lock 10000", "Checkpoint", "Restore", "Unlock"));
  expect_undisturbed_end(*a);
}

/// Method: the driver refuses for good to give the original its GPU back, until a next agent asks.
TEST_F(MovedCudaProcess, IsToldOfWhereItsGpuDoesNotComeBack) {
  make_b();
  start("3000");
  const auto id = held_at("shipping");
  a->script("fail Restore 999");
  EXPECT_EQ((*a)->command({"cancel", id}).exit_code, 0);
  expect_aborted(id);
  const auto error = (*a)->ask({"status", id}).at("error").as_object();
  EXPECT_THAT(text(error, "failure"), HasSubstr("CUDA calls wait"));
  EXPECT_THAT(text(error, "hint"), HasSubstr("restart the agent"));
  EXPECT_THAT((*a)->command({"events"}).out, HasSubstr("gpu_state_held"));
  a->script("fail Restore 0");
  (*a)->kill_agent(SIGKILL);
  (*a)->start_agent();
  EXPECT_TRUE(within(20s, [&] { return a->calls().size() == 4; })) << logs();
  EXPECT_THAT(a->calls(), ElementsAre("Lock 10000", "Checkpoint", "Restore", "Unlock"));
  expect_undisturbed_end(*a);
}

TEST_F(MovedCudaProcess, IsRefusedWithReasons) {
  start("100000");
  const auto said = [&] { return move(*a, *b, {"--dry-run"}).out; };
  make_b(kGpuOfB, "X2");
  EXPECT_THAT(said(), HasSubstr("cuda:0 of b is a X2, the job's GPU a X1"));
  make_b(kGpuOfB, "X1", "none");
  EXPECT_THAT(said(), HasSubstr("b restores no CUDA state: cardswapd was started with --libcuda"));
  make_b();
  b->script("version 12080");
  (*b)->kill_agent(SIGKILL);
  (*b)->start_agent();
  EXPECT_THAT(said(), HasSubstr("driver 580 or later"));
  b->script("version 12040");
  (*b)->kill_agent(SIGKILL);
  (*b)->start_agent();
  EXPECT_THAT(said(), HasSubstr("driver 570 or later"));
  b->script("version 13000");
  (*b)->kill_agent(SIGKILL);
  (*b)->start_agent();
  EXPECT_THAT(said(), Not(HasSubstr("driver")));
  a->script(kLocked);
  EXPECT_THAT(said(), HasSubstr("another tool is at work on it"));
}

}  // namespace
}  // namespace cardswap::test
