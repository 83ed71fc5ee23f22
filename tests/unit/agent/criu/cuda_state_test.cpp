/// Method: processes that do nothing, and a scripted stand-in for libcuda that says what state
/// theirs is in and holds a call until it is told otherwise. All of them share one state there.

#include "agent/criu/cuda_state.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <fstream>
#include <list>
#include <sstream>

#include "migrator/base/error.h"
#include "tests/support/temp_dir.h"

namespace cardswap::criu {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A process that waits until it is killed.
class Idle {
 public:
  Idle() : pid_(::fork()) {
    while (pid_ == 0) ::pause();
  }
  ~Idle() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Idle(const Idle&) = delete;
  Idle& operator=(const Idle&) = delete;
  [[nodiscard]] ProcessId id() const { return {pid_, cuda::suspend_intent(pid_).started}; }

 private:
  pid_t pid_;
};

class CudaStateTest : public ::testing::Test {
 protected:
  CudaStateTest() {
    ::setenv("STAND_IN_CUDA", script_.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): one thread
    script("version 13000");
    config_.libcuda = STAND_IN_LIBCUDA;
    config_.devices = {{.name = "cuda:0"}};
  }
  ~CudaStateTest() override {
    script("hold Checkpoint 0");
    script("hold GetState 0");
    state_.reset();
    ::unsetenv("STAND_IN_CUDA");  // NOLINT(concurrency-mt-unsafe)
  }
  void script(const std::string& line) const {
    std::ofstream(script_, std::ios::app) << line << "\n";
  }
  [[nodiscard]] std::vector<std::string> calls() const {
    std::ifstream file(script_);
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string first;
      std::string call;
      words >> first >> call;
      if (first == "called") all.push_back(call);
    }
    return all;
  }
  void open(CudaState::Limits limits) {
    state_.emplace(context_, config_, journal_, limits);
    auto looked = begin<char>(nothing_of(state_->probe()));
    turn_until([&] { return looked->has_value(); });
    ASSERT_TRUE(state_->is_usable()) << state_->problem();
  }
  /// What a coroutine gives or throws, once it is over.
  template <class Result>
  struct Outcome : std::optional<Result> {
    std::optional<Error> failed;
    [[nodiscard]] bool is_over() const { return this->has_value() || failed; }
  };
  template <class Result>
  std::shared_ptr<Outcome<Result>> begin(asio::awaitable<Result> work) {
    auto outcome = std::make_shared<Outcome<Result>>();
    asio::co_spawn(context_, std::move(work),
                   [outcome](const std::exception_ptr& error, Result result) {
                     if (error) outcome->failed = error_of(error);
                     if (!error) outcome->emplace(std::move(result));
                   });
    return outcome;
  }
  static asio::awaitable<char> nothing_of(asio::awaitable<void> work) {
    co_await std::move(work);
    co_return 0;
  }
  template <class Done>
  void turn_until(Done done, milliseconds most = seconds(20)) {
    const auto until = std::chrono::steady_clock::now() + most;
    while (!done() && std::chrono::steady_clock::now() < until) {
      context_.restart();
      context_.run_for(milliseconds(5));
    }
  }
  /// Suspends one whose checkpoint is held for longer than it may take.
  void begin_what_is_late(const Idle& job) {
    script("hold Checkpoint 1");
    const auto saved = begin(state_->callbacks().before_dump(job.id()));
    turn_until([&] { return saved->is_over(); });
    ASSERT_TRUE(saved->failed.has_value());
    EXPECT_EQ(saved->failed->code(), Code::timed_out) << saved->failed->what();
    EXPECT_THAT(calls(), ElementsAre("Lock"));
  }

  const test::TempDir dir_;
  const std::string script_ = (dir_.path() / "cuda").string();
  asio::io_context context_{1};
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  std::optional<CudaState> state_;
};

TEST_F(CudaStateTest, IsAskedForWhileAsManyMoveAsMay) {
  open({.ask = milliseconds(1500)});
  std::list<Idle> jobs(5);
  script("hold Checkpoint 1");
  std::vector<std::shared_ptr<Outcome<std::vector<std::uint32_t>>>> moves;
  for (auto job = std::next(jobs.begin()); job != jobs.end(); ++job) {
    moves.push_back(begin(state_->callbacks().before_dump(job->id())));
    turn_until([&] { return state_->trees(CudaIntent::Side::source).size() == moves.size(); });
  }
  turn_until([&] { return !calls().empty(); });
  const auto asked = begin(state_->examine(jobs.front().id()));
  turn_until([&] { return asked->is_over(); });
  ASSERT_TRUE(asked->has_value());
  EXPECT_EQ((*asked)->no_driver, "");
  EXPECT_TRUE(state_->is_usable()) << state_->problem();
  script("hold Checkpoint 0");
  turn_until([&] { return std::ranges::all_of(moves, [](auto& one) { return one->is_over(); }); });
}

TEST_F(CudaStateTest, IsGivenUpWithADriverThatDoesNotAnswer) {
  open({.ask = milliseconds(50)});
  const Idle job;
  script("hold GetState 1");
  const auto asked = begin(state_->examine(job.id()));
  turn_until([&] { return asked->is_over(); });
  ASSERT_TRUE(asked->has_value());
  EXPECT_THAT((*asked)->no_driver, HasSubstr("did not say in time"));
  EXPECT_FALSE(state_->is_usable());
}

TEST_F(CudaStateTest, IsBroughtBackAfterTheMoveThatWasLateAndNotBesideIt) {
  open({.move = milliseconds(100)});
  const Idle job;
  begin_what_is_late(job);
  const auto back = begin(state_->callbacks().undo(job.id()));
  turn_until([&] { return back->is_over(); }, milliseconds(400));
  EXPECT_FALSE(back->is_over());
  EXPECT_THAT(calls(), ElementsAre("Lock"));
  script("hold Checkpoint 0");
  turn_until([&] { return back->is_over(); });
  ASSERT_TRUE(back->has_value());
  EXPECT_FALSE((*back)->has_value()) << "it did not come back";
  EXPECT_THAT(calls(), ElementsAre("Lock", "Checkpoint", "Restore", "Unlock"));
  EXPECT_THAT(state_->trees(CudaIntent::Side::source), IsEmpty());
}

TEST_F(CudaStateTest, IsToldOfAndKeptInMindWhereItDoesNotComeBack) {
  open({.move = milliseconds(100), .bring_back = milliseconds(100)});
  const Idle job;
  begin_what_is_late(job);
  const auto back = begin(state_->callbacks().undo(job.id()));
  turn_until([&] { return back->is_over(); });
  ASSERT_TRUE(back->has_value());
  ASSERT_TRUE((*back)->has_value()) << "it is said to be back";
  EXPECT_THAT((**back)->failure(), HasSubstr("CUDA calls wait"));
  EXPECT_THAT((**back)->hint(), HasSubstr("restart the agent"));
  EXPECT_THAT(state_->trees(CudaIntent::Side::source), ElementsAre(job.id()));
}

}  // namespace
}  // namespace cardswap::criu
