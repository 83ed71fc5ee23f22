#include "runtime/agent_channel.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>

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

}  // namespace
}  // namespace cardswap::test
