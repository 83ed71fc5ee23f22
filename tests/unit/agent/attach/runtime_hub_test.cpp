/// Method: a hub with jobs of a real journal, and connections that the test is the other end of:
/// one reads nothing, one everything that it is sent.

#include "agent/attach/runtime_hub.h"

#include <gmock/gmock.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "agent/process/process.h"
#include "migrator/base/descriptor.h"
#include "migrator/wire/frame_reader.h"
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
    hub_.adopt(instance, Descriptor(ends[0]));
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

/// A hub that listens, and a job whose program is this process's parent: the leader of its session
/// may be in another PID namespace, where it has no number here.
class RanksHub : public ::testing::Test {
 protected:
  RanksHub() {
    config_.data_dir = dir_.path();
    config_.devices = {{.name = "cpu:0"}};
    instance_ = &jobs_.add({.name = "ddp", .uid = "u"}, "cpu:0");
    const auto program = ::getppid();
    JobList::note(*instance_, [&](InstanceRecord& record) {
      record.state = InstanceState::running;
      record.program = {program, start_time_of(program).value_or(0)};
    });
    hub_.listen(dir_.path() / "s");
  }
  ~RanksHub() override {
    hub_.close();
    tasks_.stop();
    turn();
  }

  void turn() {
    for (int i = 0; i < 50; ++i) {
      context_.restart();
      context_.poll();
    }
  }
  Descriptor connect() {
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = (dir_.path() / "s").string();
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return socket;
  }
  Descriptor connect(std::uint32_t rank, std::uint32_t ranks) {
    auto socket = connect();
    channel::Hello hello;
    hello.job = "ddp";
    hello.token = instance_->record().token;
    hello.rank = rank;
    hello.ranks = ranks;
    say(socket, hello);
    return socket;
  }
  void say(const Descriptor& socket, const channel::Message& message) {
    const auto frame = channel::encode(message);
    EXPECT_EQ(::send(socket.get(), frame.data(), frame.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(frame.size()));
    turn();
  }
  /// The messages that came to that end.
  std::vector<channel::Message> heard(const Descriptor& socket) {
    turn();
    channel::FrameReader frames;
    std::array<std::byte, 65536> piece{};
    const auto got = ::recv(socket.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (got > 0) frames.feed(std::span(piece).first(static_cast<std::size_t>(got)));
    std::vector<channel::Message> all;
    while (auto body = frames.next(channel::kFrameBytesMax)) all.push_back(channel::decode(*body));
    return all;
  }
  template <class Kind>
  bool hears(const Descriptor& socket) {
    return std::ranges::any_of(
        heard(socket), [](const auto& message) { return std::holds_alternative<Kind>(message); });
  }

  const test::TempDir dir_;
  asio::io_context context_;
  TaskGroup tasks_{context_};
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  JobList jobs_{config_, journal_};
  Instance* instance_ = nullptr;
  std::vector<std::pair<std::uint32_t, std::size_t>> said_;  // rank, kind
  std::vector<std::uint32_t> gone_;
  std::vector<std::pair<std::uint32_t, std::function<bool(const channel::Followed&)>>> followed_;
  std::vector<std::pair<std::uint32_t, int>> delivered_;
  RuntimeHub hub_{
      context_,
      tasks_,
      jobs_,
      {.hello =
           [](Instance& instance, const channel::Hello& hello) {
             JobList::note_world_size(instance.job(), hello.ranks);
             return channel::Welcome{};
           },
       .message = [](Instance&, const channel::Message&) { ADD_FAILURE(); },
       .detached = [](Instance&) { ADD_FAILURE(); },
       .rank_message =
           [this](Instance&, std::uint32_t rank, const channel::Message& message) {
             said_.emplace_back(rank, message.index());
           },
       .rank_detached = [this](Instance&, std::uint32_t rank) { gone_.push_back(rank); },
       .follow = [this](const Instance&, std::uint32_t rank,
                        auto tell) { followed_.emplace_back(rank, std::move(tell)); },
       .deliver = [this](const std::string&, std::uint32_t rank,
                         int signal) { delivered_.emplace_back(rank, signal); }}};
};

TEST_F(RanksHub, TellsTheRanksOfOneProcessTreeApart) {
  const auto two = connect(2, 3);
  const auto none = connect(0, 3);
  EXPECT_TRUE(hears<channel::Welcome>(two));
  EXPECT_TRUE(hears<channel::Welcome>(none));
  EXPECT_EQ(hub_.attached_count(), 2U);
  said_.clear();
  say(two, channel::Stepped{7, 1});
  ASSERT_EQ(said_.size(), 1U);
  EXPECT_EQ(said_.front().first, 2U);
  EXPECT_TRUE(hub_.send(*instance_, 0, channel::Check{"m-00000001"}));
  EXPECT_FALSE(hub_.send(*instance_, 1, channel::Check{"m-00000001"})) << "nobody is that";
  EXPECT_TRUE(hears<channel::Check>(none));
  EXPECT_FALSE(hears<channel::Check>(two));
}

TEST_F(RanksHub, KeepsTheOthersWhenOneGoes) {
  auto two = connect(2, 3);
  const auto none = connect(0, 3);
  EXPECT_TRUE(instance_->attached);
  two = Descriptor();
  turn();
  EXPECT_THAT(gone_, ::testing::ElementsAre(2U));
  EXPECT_TRUE(instance_->attached) << "rank 0 is";
  EXPECT_FALSE(instance_->ranks.at(2).attached);
  EXPECT_TRUE(hub_.send(*instance_, 0, channel::Check{"m-00000001"}));
}

TEST_F(RanksHub, RefusesARankThatCannotBeOfTheJob) {
  EXPECT_TRUE(hears<channel::Refused>(connect(3, 3)));
  const auto first = connect(0, 3);
  EXPECT_TRUE(hears<channel::Welcome>(first));
  EXPECT_TRUE(hears<channel::Refused>(connect(1, 4))) << "the others say that there are 3";
  EXPECT_EQ(hub_.attached_count(), 1U);
}

TEST_F(RanksHub, TellsAProcessOfTheJobOfARankThatHasLeftAlsoOnceAllHave) {
  const channel::Follow follow{channel::kProtocolVersion, "ddp", instance_->record().token, 1};
  JobList::note(*instance_, [](InstanceRecord& record) { record.state = InstanceState::moved; });
  auto line = connect();
  say(line, follow);
  ASSERT_EQ(followed_.size(), 1U);
  EXPECT_EQ(followed_.front().first, 1U);
  EXPECT_TRUE(followed_.front().second({channel::EndState::runs, 0, "b:7070/cpu:0", {}}));
  EXPECT_TRUE(hears<channel::Followed>(line));
  say(line, channel::Deliver{15});
  EXPECT_THAT(delivered_, ::testing::ElementsAre(::testing::Pair(1U, 15)));
  line = Descriptor();
  turn();
  EXPECT_FALSE(followed_.front().second({})) << "nobody listens any more";
  EXPECT_TRUE(instance_->ranks.empty()) << "it is no rank";
}

TEST_F(RanksHub, TellsNobodyWhoHasNotTheJobsTokenAndTakesNothingElseFromOneThatFollows) {
  const auto stranger = connect();
  say(stranger, channel::Follow{channel::kProtocolVersion, "ddp", "0badc0de", 1});
  EXPECT_TRUE(hears<channel::Refused>(stranger));
  const auto old = connect();
  say(old, channel::Follow{channel::kProtocolVersion - 1, "ddp", instance_->record().token, 1});
  EXPECT_TRUE(hears<channel::Refused>(old));
  EXPECT_TRUE(followed_.empty());
  const auto line = connect();
  say(line, channel::Follow{channel::kProtocolVersion, "ddp", instance_->record().token, 1});
  say(line, channel::Stepped{7, 1});
  EXPECT_TRUE(hears<channel::Refused>(line));
  EXPECT_TRUE(said_.empty());
}

}  // namespace
}  // namespace cardswap
