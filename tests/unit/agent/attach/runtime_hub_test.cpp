/// Method: a hub with jobs of a real journal, and connections that the test is the other end of:
/// one reads nothing, one everything that it is sent.

#include "agent/attach/runtime_hub.h"

#include <gmock/gmock.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "migrator/base/descriptor.h"
#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

constexpr std::size_t kOwedMax = 1U << 20;

class Hub : public ::testing::Test {
 protected:
  Hub() {
    config_.data_dir = dir_.path();
    config_.devices = {{.name = "cpu:0"}};
    spdlog::default_logger()->sinks().push_back(lines_);
  }
  ~Hub() override {
    std::erase(spdlog::default_logger()->sinks(), lines_);
    hub_.close();
    tasks_.stop();
    turn();
  }

  /// A job whose runtime is attached; the runtime's end of its connection.
  std::pair<Instance*, Descriptor> attach(const std::string& migration) {
    auto& instance = jobs_.add_standby({.name = migration, .uid = migration},
                                       {.migration = migration, .epoch = 2, .device = "cpu:0"});
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    hub_.accept(instance, Descriptor(ends[0]));
    turn();
    return {&instance, Descriptor(ends[1])};
  }
  /// Lets the hub do whatever it can do now.
  void turn() {
    context_.restart();
    context_.poll();
  }
  /// Reads what is there: how many bytes; none: and the agent has closed behind them.
  static std::optional<std::size_t> read_all(const Descriptor& runtime) {
    std::array<std::byte, 65536> piece{};
    std::size_t all = 0;
    while (true) {
      const auto got = ::recv(runtime.get(), piece.data(), piece.size(), MSG_DONTWAIT);
      if (got == 0) return std::nullopt;
      if (got < 0) return all;
      all += static_cast<std::size_t>(got);
    }
  }
  std::size_t warnings() {
    const auto all = lines_->last_raw();
    return static_cast<std::size_t>(std::ranges::count_if(
        all, [](const auto& line) { return line.level >= spdlog::level::warn; }));
  }

  const std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> lines_ =
      std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(64);
  const test::TempDir dir_;
  asio::io_context context_;
  TaskGroup tasks_{context_};
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  JobList jobs_{config_, journal_};
  std::vector<std::string> detached_;
  RuntimeHub hub_{
      context_, tasks_, jobs_, {.hello = {}, .message = {}, .detached = [this](Instance& gone) {
                                  detached_.push_back(gone.id());
                                }}};
};

TEST_F(Hub, ClosesToARuntimeThatReadsNothingOnceAndSaysSoOnce) {
  const auto [deaf, reads_nothing] = attach("m-00000001");
  const auto [other, reads] = attach("m-00000002");
  const channel::Failed word{"m-00000001", Code::internal, std::string(1000, 'x'), {}};
  const auto frame = channel::encode(word).size();
  ASSERT_EQ(hub_.attached_count(), 2U);

  std::size_t taken = 0;
  while (hub_.send(*deaf, word)) {
    taken += frame;
    turn();
    ASSERT_LT(taken, 3 * kOwedMax) << "what it does not read is kept for it, on and on";
  }
  EXPECT_GE(taken, kOwedMax) << "one that is slow is given time";
  EXPECT_FALSE(deaf->attached);
  EXPECT_THAT(detached_, ::testing::ElementsAre(deaf->id()));
  EXPECT_EQ(warnings(), 1U);
  EXPECT_FALSE(hub_.send(*deaf, word));
  turn();
  EXPECT_EQ(warnings(), 1U) << "nothing more is said of one that is gone";

  // It comes to the end of what the kernel had taken for it; the other one hears as before.
  EXPECT_FALSE(read_all(reads_nothing).has_value()) << "the connection is open still";
  EXPECT_TRUE(hub_.send(*other, word));
  turn();
  EXPECT_EQ(read_all(reads), frame);
}

TEST_F(Hub, ListensAtNoFileOfSomebodyElse) {
  const auto file = dir_.path() / "precious";
  std::ofstream(file) << "text";
  try {
    hub_.listen(file);
    ADD_FAILURE() << "it was replaced by a socket";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::refused);
  }
  EXPECT_EQ(std::filesystem::file_size(file), 4U);
}

TEST_F(Hub, KeepsOneThatReadsHoweverMuchItIsSent) {
  const auto [instance, runtime] = attach("m-00000001");
  const channel::Failed word{"m-00000001", Code::internal, std::string(1000, 'x'), {}};
  const auto frame = channel::encode(word).size();
  std::size_t heard = 0;
  for (std::size_t sent = 0; sent < 3 * kOwedMax; sent += frame) {
    ASSERT_TRUE(hub_.send(*instance, word));
    turn();
    heard += read_all(runtime).value_or(0);
  }
  EXPECT_GE(heard, 3 * kOwedMax);
  EXPECT_EQ(warnings(), 0U);
}

}  // namespace
}  // namespace cardswap
