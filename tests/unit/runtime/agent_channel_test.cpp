#include "runtime/agent_channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"
#include "tests/support/sanitizer.h"
#include "tests/support/scripted_agent.h"

namespace cardswap::test {
namespace {

std::size_t count_of(const std::string& text, const std::string& wanted) {
  std::size_t count = 0;
  for (auto at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) {
    ++count;
  }
  return count;
}

std::string socket_path() {
  return std::filesystem::temp_directory_path() / ("channel-" + std::to_string(::getpid()));
}

TEST(AgentChannel, SaysOnceWhyItsAgentDoesNotTakeTheJobBack) {
  ScriptedAgent agent(socket_path());
  const channel::Refused refused{Code::conflict, "process 7 is the trainer", "start another job"};
  ::testing::internal::CaptureStderr();
  {
    // What is answered is let go of at once: the channel comes back.
    std::jthread answers([&] {
      agent.answer(channel::Welcome{});
      for (int i = 0; i < 3; ++i) agent.answer(refused);
      agent.answer(channel::Welcome{});
    });
    AgentChannel channel(agent.path(), {.hello = [] { return channel::Hello{}; },
                                        .message = [](const channel::Message&) {},
                                        .tick = {}});
    channel.start();
    answers.join();
  }
  const auto told = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(count_of(told, "does not take this job back"), 1U) << told;
  EXPECT_EQ(count_of(told, "process 7 is the trainer; start another job"), 1U) << told;
}

/// A program with a sampling profiler: its main thread handles a signal each 2 ms, which another
/// thread, started meanwhile, can count.
class Profiled {
 public:
  Profiled() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    struct sigaction handled {};
    handled.sa_handler = [](int) {
      [[maybe_unused]] const auto written = ::write(ends_[1], "x", 1);
    };
    handled.sa_flags = SA_RESTART;
    ::sigaction(SIGALRM, &handled, &before_);
    block(SIG_BLOCK);  // threads that begin now
  }
  ~Profiled() {
    set_interval(0);
    ::sigaction(SIGALRM, &before_, nullptr);
    for (const int end : ends_) ::close(end);
  }
  Profiled(const Profiled&) = delete;
  Profiled& operator=(const Profiled&) = delete;

  /// On the main thread.
  static void begin() {
    block(SIG_UNBLOCK);
    set_interval(2000);
  }
  /// Waits until 100 more signals were handled.
  static void await_signals() {
    char seen = 0;
    for (int i = 0; i < 100; ++i) {
      if (::read(ends_[0], &seen, 1) != 1) throw std::runtime_error("no signal");
    }
  }

 private:
  static void block(int how) {
    sigset_t alarm;
    ::sigemptyset(&alarm);
    ::sigaddset(&alarm, SIGALRM);
    ::pthread_sigmask(how, &alarm, nullptr);
  }
  static void set_interval(int us) {
    const itimerval every{{0, us}, {0, us}};
    ::setitimer(ITIMER_REAL, &every, nullptr);
  }
  static inline std::array<int, 2> ends_{};
  struct sigaction before_ {};
};

/// Method: the agent hears the Hello, and answers once 100 signals have interrupted whoever waits.
TEST(AgentChannel, WaitsForItsAgentsAnswerThroughSignals) {
  ScriptedAgent agent(socket_path());
  const Profiled program;
  auto answers = std::async(std::launch::async, [&] {
    const auto trainer = agent.hear();
    Profiled::await_signals();
    trainer.line.say(channel::Welcome{});
  });
  Profiled::begin();
  EXPECT_NO_THROW(AgentChannel(agent.path(), {.hello = [] { return channel::Hello{}; },
                                              .message = [](const channel::Message&) {},
                                              .tick = {}}));
  answers.get();
}

/// Method: others who connected first fill the agent's queue, until 100 signals have interrupted
/// whoever waits for a place in it.
TEST(AgentChannel, WaitsForAPlaceAtItsAgentThroughSignals) {
  ScriptedAgent agent(socket_path());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  agent.path().copy(address.sun_path, sizeof(address.sun_path) - 1);
  std::vector<Descriptor> others;
  do {
    others.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  } while (::connect(others.back().get(), reinterpret_cast<const sockaddr*>(&address),
                     sizeof(address)) == 0);
  ASSERT_EQ(errno, EAGAIN);
  others.pop_back();
  const Profiled program;
  auto answers = std::async(std::launch::async, [&] {
    Profiled::await_signals();
    for (std::size_t i = 0; i < others.size(); ++i) agent.turn_away();
    agent.answer(channel::Welcome{});
  });
  Profiled::begin();
  EXPECT_NO_THROW(AgentChannel(agent.path(), {.hello = [] { return channel::Hello{}; },
                                              .message = [](const channel::Message&) {},
                                              .tick = {}}));
  answers.get();
}

/// A trainer's channel to `agent`, welcomed and started; and the agent's end of it.
struct Trainer {
  explicit Trainer(
      ScriptedAgent& agent,
      std::function<void(const channel::Message&)> handle = [](const auto&) {}) {
    auto attached = std::async(std::launch::async, [&] { return agent.attach({}); });
    channel.emplace(agent.path(), AgentChannel::Callbacks{.hello = [] { return channel::Hello{}; },
                                                          .message = std::move(handle),
                                                          .tick = {}});
    channel->start();
    line.emplace(std::move(attached.get().line));
  }
  std::optional<AgentChannel> channel;
  std::optional<RuntimeLine> line;
};

/// Method: 12 MB are said to an agent that reads nothing, then it reads all, and one word more is
/// said. It may hear all up to some word, and nothing that came later.
TEST(AgentChannel, ComesAnewRatherThanLeaveAWordOut) {
  ScriptedAgent agent(socket_path());
  Trainer trainer(agent);
  constexpr std::size_t kWords = 200;
  const std::string filling(60'000, 'x');
  for (std::size_t i = 0; i < kWords; ++i) {
    trainer.channel->send(channel::Failed{std::to_string(i), Code::internal, filling, {}, false});
  }
  std::size_t heard = 0;
  const auto hear_all = [&] {
    while (true) {
      const auto message = trainer.line->next();
      if (std::holds_alternative<channel::FirstStep>(message)) break;
      ASSERT_EQ(std::get<channel::Failed>(message).migration, std::to_string(heard++));
      if (heard == 20) trainer.channel->send(channel::FirstStep{"later", 1});
    }
    ADD_FAILURE() << "the agent heard what was said after " << heard << " of " << kWords;
  };
  EXPECT_THROW(hear_all(), std::runtime_error) << "the connection stands, and words are missing";
  EXPECT_LT(heard, kWords);
  trainer.line->close();
  (void)agent.attach({});  // it says Hello anew
}

/// A program that ends at once still says why. Method: many times, because close() has to come
/// before the channel's thread runs.
TEST(AgentChannel, SendsWhatIsQueuedEvenIfItIsClosedAtOnce) {
  ScriptedAgent agent(socket_path());
  for (int i = 0; i < 30; ++i) {
    auto attached = std::async(std::launch::async, [&] { return agent.attach({}); });
    AgentChannel channel(agent.path(), {.hello = [] { return channel::Hello{}; },
                                        .message = [](const channel::Message&) {},
                                        .tick = {}});
    auto line = std::move(attached.get().line);
    channel.start();
    channel.send(channel::FirstStep{"last", 1});
    channel.close();
    EXPECT_NO_THROW((void)line.hear<channel::FirstStep>()) << "time " << i;
  }
}

/// Method: the agent lets go of the trainer, and answers nothing when that is back.
TEST(AgentChannel, EndsAtOnceWhileItsAgentDoesNotAnswer) {
  ScriptedAgent agent(socket_path());
  Trainer trainer(agent);
  trainer.line->close();
  const auto silent = agent.hear();
  const auto begun = std::chrono::steady_clock::now();
  trainer.channel->close();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5) * kPatience)
      << "it waited for the answer";
}

/// Method: the program blocks a signal that it gets then. Whatever thread would handle it has done
/// so once it has run; the channel's has when it hands on what its agent says next.
TEST(AgentChannel, HandlesNoSignalThatItsProgramBlocks) {
  static std::atomic<int> handled;
  ScriptedAgent agent(socket_path());
  std::promise<void> heard;
  Trainer trainer(agent, [&](const channel::Message&) { heard.set_value(); });
  struct sigaction before {};
  struct sigaction counts {};
  counts.sa_handler = [](int) { ++handled; };
  ::sigaction(SIGUSR1, &counts, &before);
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  ::kill(::getpid(), SIGUSR1);
  trainer.line->say(channel::Freeze{"m-1"});
  heard.get_future().get();
  EXPECT_EQ(handled, 0);
  sigset_t pending;
  ::sigpending(&pending);
  EXPECT_TRUE(::sigismember(&pending, SIGUSR1)) << "it waits for the program";
  const timespec now{};
  EXPECT_EQ(::sigtimedwait(&blocked, nullptr, &now), SIGUSR1);
  ::pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(AgentChannel, TellsWhatAHandlerThrewAndComesAnew) {
  ScriptedAgent agent(socket_path());
  ::testing::internal::CaptureStderr();
  {
    Trainer trainer(agent, [](const channel::Message&) {
      throw Error(Code::no_memory, "no thread for an engine");
    });
    trainer.line->say(channel::Freeze{"m-1"});
    EXPECT_THROW((void)trainer.line->next(), std::runtime_error) << "half is done, and it goes on";
    trainer.line->close();
    (void)agent.attach({});
  }
  const auto told = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(count_of(told, "no thread for an engine"), 1U) << told;
}

}  // namespace
}  // namespace cardswap::test
