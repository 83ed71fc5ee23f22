/// NVIDIA's driver checkpoint, over the stand-in for libcuda.

#include "cuda/driver_checkpoint.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "migrator/base/error.h"

namespace cardswap::cuda {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kFrom = "GPU-00000000-0000-0000-0000-000000000007";
constexpr const char* kTo = "GPU-09000000-0000-0000-0000-000000000000";

class DriverCheckpointTest : public ::testing::Test {
 protected:
  DriverCheckpointTest() {
    script("version 13000");
    ::setenv("STAND_IN_CUDA", file_.c_str(), 1);
  }
  ~DriverCheckpointTest() override { std::filesystem::remove(file_); }
  void script(const std::string& line) const {
    std::ofstream(file_, std::ios::app) << line << "\n";
  }
  /// The calls that changed the state since the last question.
  std::vector<std::string> calls() {
    std::ifstream file(file_);
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("called ")) all.push_back(line.substr(7));
    }
    std::vector<std::string> fresh(all.begin() + static_cast<std::ptrdiff_t>(told_), all.end());
    told_ = all.size();
    return fresh;
  }
  static CheckpointIntent to_running(std::vector<GpuPair> gpus = {}) {
    auto intent = suspend_intent(::getpid());
    intent.goal = CheckpointIntent::Goal::running;
    intent.gpus = std::move(gpus);
    return intent;
  }
  static Code code_of(const std::function<void()>& act) {
    try {
      act();
    } catch (const Error& error) {
      return error.code();
    }
    return Code::internal;
  }

  const std::string file_ =
      std::filesystem::temp_directory_path() / ("stand-in-cuda-" + std::to_string(::getpid()));
  std::size_t told_ = 0;
};

TEST_F(DriverCheckpointTest, SuspendsAndRestoresOnAnotherGpu) {
  const DriverCheckpoint driver(STAND_IN_LIBCUDA);
  EXPECT_TRUE(driver.can_change_gpus());
  driver.advance(suspend_intent(::getpid()), milliseconds(1500));
  EXPECT_THAT(calls(), ElementsAre("Lock 1500", "Checkpoint"));
  EXPECT_EQ(driver.state(::getpid()), ProcessState::checkpointed);
  driver.advance(to_running({{kFrom, kTo}}), {});
  EXPECT_THAT(calls(), ElementsAre("Restore 7>9", "Unlock"));
  EXPECT_EQ(driver.state(::getpid()), ProcessState::running);
}

TEST_F(DriverCheckpointTest, GoesOnFromWhereverAnAgentLeftIt) {
  const DriverCheckpoint driver(STAND_IN_LIBCUDA);
  const auto suspend = decode_checkpoint_intent(encode(suspend_intent(::getpid())));
  script("state 1");
  driver.advance(suspend, {});
  EXPECT_THAT(calls(), ElementsAre("Checkpoint"));
  driver.advance(suspend, {});
  EXPECT_THAT(calls(), IsEmpty()) << "it is there";
  script("state 1");
  driver.advance(to_running(), {});
  EXPECT_THAT(calls(), ElementsAre("Unlock")) << "locked, on the way back";
}

TEST_F(DriverCheckpointTest, LeadsBackFromEveryState) {
  const DriverCheckpoint driver(STAND_IN_LIBCUDA);
  auto intent = suspend_intent(::getpid());
  intent.gpus = {{kFrom, kTo}};
  driver.undo(intent);
  EXPECT_THAT(calls(), IsEmpty());
  script("state 1");
  driver.undo(intent);
  EXPECT_THAT(calls(), ElementsAre("Unlock"));
  script("state 2");
  driver.undo(intent);
  EXPECT_THAT(calls(), ElementsAre("Restore", "Unlock")) << "on its own GPUs";
}

TEST_F(DriverCheckpointTest, AProcessThatDoesNotComeToRestGoesOn) {
  const DriverCheckpoint driver(STAND_IN_LIBCUDA);
  script("fail Lock 600");
  EXPECT_EQ(code_of([&] { driver.advance(suspend_intent(::getpid()), milliseconds(10)); }),
            Code::timed_out);
  EXPECT_EQ(driver.state(::getpid()), ProcessState::running);
}

TEST_F(DriverCheckpointTest, SaysWhatTheDriverRefusesInOurWords) {
  const DriverCheckpoint driver(STAND_IN_LIBCUDA);
  const auto intent = suspend_intent(::getpid());
  for (const auto& [number, code] : {std::pair{2, Code::no_memory},
                                     {304, Code::unauthorized},
                                     {801, Code::refused},
                                     {401, Code::conflict},
                                     {3, Code::not_found},
                                     {999, Code::internal}}) {
    script("fail Lock " + std::to_string(number));
    EXPECT_EQ(code_of([&] { driver.advance(intent, {}); }), code) << number;
  }
  script("state 3");
  EXPECT_EQ(code_of([&] { driver.advance(intent, {}); }), Code::internal);
  script("state 4");
  EXPECT_EQ(code_of([&] { driver.advance(intent, {}); }), Code::conflict);
}

TEST_F(DriverCheckpointTest, NeverTouchesAnotherProcessOfTheSameNumber) {
  const DriverCheckpoint driver(STAND_IN_LIBCUDA);
  auto intent = suspend_intent(::getpid());
  ++intent.started;
  EXPECT_EQ(code_of([&] { driver.advance(intent, {}); }), Code::not_found);
  EXPECT_EQ(code_of([] { (void)suspend_intent(1 << 30); }), Code::not_found);
}

TEST_F(DriverCheckpointTest, OldOrMissingDriversAreRefusedByName) {
  EXPECT_EQ(code_of([] { const DriverCheckpoint none("libcuda-that-is-not.so"); }), Code::refused);
  script("version 12040");
  EXPECT_EQ(code_of([] { const DriverCheckpoint old(STAND_IN_LIBCUDA); }), Code::refused);
  script("version 12080");
  const DriverCheckpoint driver(STAND_IN_LIBCUDA);
  EXPECT_FALSE(driver.can_change_gpus());
  script("state 2");
  EXPECT_EQ(code_of([&] { driver.advance(to_running({{kFrom, kTo}}), {}); }), Code::refused);
  EXPECT_EQ(code_of([&] { driver.advance(to_running({{"cuda:0", kTo}}), {}); }), Code::bad_request);
}

TEST_F(DriverCheckpointTest, AnIntentOutOfAJournalIsCheckedLikeAnyBytes) {
  const auto whole = encode(to_running({{kFrom, kTo}}));
  EXPECT_EQ(decode_checkpoint_intent(whole), to_running({{kFrom, kTo}}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW((void)decode_checkpoint_intent(std::span(whole).first(size)), Error);
  }
  auto unknown = whole;
  unknown[12] = std::byte{9};
  EXPECT_THROW((void)decode_checkpoint_intent(unknown), Error);
}

}  // namespace
}  // namespace cardswap::cuda
