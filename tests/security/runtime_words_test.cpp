/// Method: an agent with two jobs. One trains and is on its way to another host; the other one is a
/// program that says to the agent, in its runtime's place, every message there is with each field
/// as no runtime would have it, in no order, and about the first one's migration. What it says may
/// cost it its connection and its own figures, and nothing else.

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/json.hpp>
#include <cstring>
#include <fstream>
#include <limits>

#include "migrator/base/descriptor.h"
#include "migrator/core/wire_writer.h"
#include "migrator/wire/frame_reader.h"
#include "migrator/wire/runtime_messages.h"
#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/leftovers.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using Bytes = std::vector<std::byte>;
using Limits = std::numeric_limits<double>;
namespace fs = std::filesystem;

// What fields are found by in an encoded message.
constexpr double kTime = 1234.5678;
constexpr std::uint64_t kCount = 0x1122334455667788;
constexpr std::uint32_t kSmall = 0x99aabbcc;
const std::string kText = "the-mark";

template <class T>
Bytes raw(const T& value) {
  Bytes bytes(sizeof(value));
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}
/// A string as a message has it.
Bytes field(const std::string& text) { return std::move(wire::WireWriter().string(text)).take(); }

/// The frame with the `nth` field that is `mark` replaced; nothing when it has not so many.
std::optional<Bytes> with(const Bytes& frame, const Bytes& mark, const Bytes& value,
                          std::size_t nth) {
  auto at = frame.begin() + sizeof(std::uint32_t);
  for (std::size_t i = 0;; ++i) {
    at = std::search(at, frame.end(), mark.begin(), mark.end());
    if (at == frame.end()) return std::nullopt;
    if (i == nth) break;
    ++at;
  }
  Bytes body(frame.begin() + sizeof(std::uint32_t), at);
  body.insert(body.end(), value.begin(), value.end());
  body.insert(body.end(), at + static_cast<std::ptrdiff_t>(mark.size()), frame.end());
  wire::WireWriter whole;
  whole.blob(body);
  return std::move(whole).take();
}

/// Every message, each of its fields a mark, about `migration`.
std::vector<channel::Message> messages(const std::string& migration) {
  using namespace channel;
  MigrationStats stats;
  stats.strategy = stats.compression = kText;
  stats.not_replayed = stats.remark = kText;
  stats.transferred = stats.remaining = stats.total = stats.rate = stats.dirty_rate = kCount;
  stats.bytes_in_downtime = stats.log_entries = stats.log_bytes = stats.log_lag_bytes = kCount;
  stats.early_bytes = stats.resent_bytes = kCount;
  stats.shards_not_replayed = kCount;
  stats.rounds = stats.throttle_pct = stats.freezes_put_off = kSmall;
  stats.expected_downtime_ms = stats.setup_time_ms = stats.freeze_scan_ms = kTime;
  stats.freeze_send_ms = stats.freeze_verify_ms = stats.median_step_ms = stats.replay_ms = kTime;
  stats.back_pressure_ms = stats.window_wait_ms = stats.log_wait_ms = kTime;
  stats.compression_ratio = kTime;
  const Obstacle obstacle{kText, kText, true};
  const StateItem item{.name = kText,
                       .kind = kText,
                       .type = kText,
                       .device = kText,
                       .dtype = kText,
                       .bytes = kCount,
                       .moves = kText};
  return {Hello{.job = kText,
                .token = kText,
                .pid = kCount,
                .runtime_version = kText,
                .framework = kText,
                .epoch = kCount,
                .migration = migration,
                .frozen = true,
                .rank = kSmall,
                .ranks = kSmall},
          Tracked{kCount, kSmall, {}, kCount, kCount, kCount, {obstacle, obstacle}},
          Stepped{kCount, kTime},
          Parked{kText, 9, kCount},
          SyncProgress{migration, stats},
          Converged{migration, kTime},
          Frozen{migration, kCount},
          Verified{migration, kCount, Digest{{1}}, stats},
          Failed{migration, Code::in_doubt, kText, kText, true},
          Released{migration},
          Resumed{migration, kCount, kTime, kTime},
          FirstStep{migration, kCount},
          Ended{kCount, true},
          Welcome{kCount, true, migration, kText, kText, kText, kText, kText},
          Welcome{.agent_address = kText, .gang = {migration, kCount, kSmall, kSmall, kText}},
          Refused{Code::internal, kText, kText},
          BeginSync{.migration = migration, .host = kText, .token = kText},
          Freeze{migration},
          Release{migration},
          Retire{migration},
          Grant{migration, kCount, Digest{{1}}},
          Depart{migration, kText, kCount},
          Departed{migration, kCount, Digest{{1}}},
          Arrived{migration, kCount, kText, kText, kText, kText, Digest{{1}}},
          StateList{kCount, kCount, kSmall, true, {item, item}, kText},
          ListState{kCount},
          LateSteps{migration, Lateness({kTime, kTime, kSmall}), kTime, kSmall, true},
          FirstSteps{migration, {kTime, kTime}, true},
          TimeSteps{migration},
          Stored{migration, kCount, kText, kCount, kCount},
          BuildNext{migration, kCount, kText, kSmall, {kSmall}},
          NextBuilt{migration, kCount},
          Arm{migration, kCount},
          Armed{migration, kCount},
          Late{migration, kCount},
          Reached{migration, kCount},
          Check{migration},
          Checked{migration, kCount, Digest{{1}}},
          CheckFailed{migration, Code::internal, kText, kText},
          SwitchOver{migration, kCount},
          CloseOld{migration},
          RankPlace{kSmall, kSmall, {kText, kText}},
          CommunicatorsTook{migration, kTime, kTime, kTime},
          Follow{kSmall, kText, kText, kSmall},
          Followed{EndState::exited, kSmall, kText, kText},
          Deliver{kSmall}};
}

/// What is said on a connection of its own, each.
std::vector<Bytes> hostile(const std::string& migration) {
  std::vector<Bytes> all;
  const std::vector<Bytes> times{raw(Limits::quiet_NaN()),
                                 raw(Limits::infinity()),
                                 raw(-Limits::infinity()),
                                 raw(-9e17),
                                 raw(9e17),
                                 raw(Limits::max()),
                                 raw(Limits::denorm_min())};
  const std::vector<Bytes> counts{raw(~std::uint64_t{0}), raw(std::uint64_t{1} << 63),
                                  raw(std::uint64_t{0})};
  const std::vector<Bytes> smalls{raw(~std::uint32_t{0}), raw(std::uint32_t{0})};
  const std::vector<Bytes> texts{field("\xff\xfe\x80"),
                                 field(std::string("a\0b", 3)),
                                 field("\x1b]0;pwned\x07\x1b[31m\r\nFAKE running cpu:0\n"),
                                 field("../../../../etc/cron.d/x"),
                                 field(""),
                                 field("{\"a\":\"\\u0000\"}"),
                                 field("good")};
  for (const auto& id : {migration, kText, std::string()}) {
    for (const auto& message : messages(id)) {
      const auto frame = channel::encode(message);
      all.push_back(frame);
      const auto add = [&](const Bytes& mark, const std::vector<Bytes>& values) {
        for (std::size_t nth = 0; with(frame, mark, mark, nth); ++nth) {
          for (const auto& value : values) all.push_back(*with(frame, mark, value, nth));
        }
      };
      add(raw(kTime), times);
      if (id == migration || id.empty()) continue;  // the rest is tried once
      add(raw(kCount), counts);
      add(raw(kSmall), smalls);
      add(field(kText), texts);
      for (const auto size : {1U << 16, 1U << 20}) {
        if (auto longer = with(frame, field(kText), field(std::string(size, 'x')), 0)) {
          all.push_back(std::move(*longer));
        }
      }
    }
  }
  // All of them behind one another; sizes that no frame has; pieces of frames.
  Bytes together;
  for (const auto& message : messages(migration)) {
    const auto frame = channel::encode(message);
    if (std::holds_alternative<channel::Hello>(message)) continue;
    together.insert(together.end(), frame.begin(), frame.end());
  }
  all.push_back(together);
  all.push_back(raw(~std::uint32_t{0}));
  all.push_back(raw(std::uint32_t{0}));
  all.emplace_back(together.begin(), together.begin() + 100);
  return all;
}

class RuntimesWords : public ::testing::Test {
 protected:
  void write_script(const std::vector<Bytes>& pieces) const {
    const auto fresh = folder() / "script.new";
    {
      std::ofstream out(fresh, std::ios::binary);
      for (const auto& piece : pieces) {
        const auto bytes = std::move(wire::WireWriter().blob(piece)).take();
        out.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
      }
    }
    fs::rename(fresh, folder() / "script");
  }
  void start_both() {
    fs::create_directories(folder());
    auto argv = program_;
    argv.insert(argv.end(), {"--loss-log", (dir_.path() / "losses").string()});
    a_.run_job("good", argv);
    a_.run_job("bad", {SPEAKER, folder().string()});
    ASSERT_TRUE(within(20s, [&] { return a_.step_of("good") >= 3; })) << a_.log();
    ASSERT_TRUE(within(20s, [&] { return fs::exists(folder() / "token"); })) << a_.log();
  }
  [[nodiscard]] fs::path folder() const { return dir_.path() / "said"; }

  const std::vector<std::string> program_{
      trainer("plain_memory"), "--steps", "1000000", "--bytes", "1000000", "--step-ms", "10"};
  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
};

TEST_F(RuntimesWords, WhateverTheyAreChangeNothingButTheJobThatSaysThem) {
  start_both();
  const auto id = text(a_.ask({"migrate", "good", "--to", b_.at("cpu:0"), "--max-downtime", "none",
                               "--hold-at", "converged", "--detach"}),
                       "id");
  ASSERT_TRUE(within(20s, [&] { return a_.ask({"status", id}).at("held").as_bool(); })) << a_.log();

  const auto script = hostile(id);
  ASSERT_GT(script.size(), 500U);
  write_script(script);
  ASSERT_TRUE(within(90s, [&] {
    (void)a_.ask({"jobs"});  // throws when it is no JSON
    return fs::exists(folder() / "done");
  })) << a_.log();

  const auto held = a_.ask({"status", id});
  EXPECT_EQ(text(held, "state"), "converged");
  EXPECT_TRUE(held.at("held").as_bool());
  EXPECT_TRUE(a_.steps_again_within("good", 5s));
  EXPECT_EQ(text(a_.job("bad"), "state"), "running");
  EXPECT_LE(number(a_.job("bad"), "state_bytes"), 1U << 20);
  EXPECT_EQ(number(a_.job("good"), "epoch"), 1);

  // Both are known to the next agent, and the one that was on its way has stayed.
  a_.kill_agent(SIGKILL);
  a_.start_agent();
  EXPECT_THAT(a_.log(), Not(HasSubstr("damaged")));
  EXPECT_TRUE(within(10s, [&] { return text(a_.job("bad"), "state") == "running"; }));
  EXPECT_TRUE(a_.steps_again_within("good", 10s)) << a_.log();
  ASSERT_TRUE(within(20s, [&] { return !text(a_.ask({"status", id}), "result").empty(); }));
  EXPECT_EQ(a_.command({"migrate", "good", "--to", b_.at("cpu:0")}).exit_code, 0) << a_.log();
  EXPECT_TRUE(b_.steps_again_within("good", 10s));
  EXPECT_EQ(a_.command({"stop", "bad"}).exit_code, 0);
  EXPECT_TRUE(is_all_free(a_, "cpu:0"));
}

/// The same program is started as its own standby, and says all of it to the other agent.
TEST_F(RuntimesWords, OfAStandbyChangeNothingButItsOwnMove) {
  start_both();
  const auto id = text(a_.ask({"migrate", "good", "--to", b_.at("cpu:0"), "--max-downtime", "none",
                               "--hold-at", "converged", "--detach"}),
                       "id");
  ASSERT_TRUE(within(20s, [&] { return a_.ask({"status", id}).at("held").as_bool(); })) << a_.log();
  write_script(hostile(id));
  ASSERT_TRUE(within(60s, [&] { return fs::exists(folder() / "done"); }));
  fs::remove(folder() / "done");
  Child moving({CARDSWAP, "--agent", (a_.dir() / "cardswapd.sock").string(), "migrate", "bad",
                "--to", b_.at("cpu:0"), "--timeout", "20s"},
               dir_.path() / "moving.log");
  EXPECT_TRUE(within(60s, [&] {
    (void)b_.ask({"jobs"});
    (void)b_.ask({"status"});
    return fs::exists(folder() / "done") || moving.ended();
  })) << b_.log();
  EXPECT_TRUE(within(60s, [&] { return moving.ended(); }));
  EXPECT_TRUE(fs::exists(folder() / "standby")) << "it never spoke there" << b_.log();

  EXPECT_EQ(text(a_.ask({"status", id}), "state"), "converged");
  EXPECT_TRUE(a_.steps_again_within("good", 5s));
  const HttpRequest proceed{.method = "POST", .target = "/v1/migrations/" + id + "/proceed"};
  EXPECT_EQ(ask_over_unix(a_, proceed).status, 200U);
  ASSERT_TRUE(within(30s, [&] { return !text(a_.ask({"status", id}), "result").empty(); }));
  EXPECT_EQ(text(a_.ask({"status", id}), "result"), "ok") << a_.log() << b_.log();
  b_.kill_agent(SIGKILL);
  b_.start_agent();
  EXPECT_THAT(b_.log(), Not(HasSubstr("damaged")));
  EXPECT_TRUE(b_.steps_again_within("good", 10s)) << b_.log();
}

/// Its size counts for its device only, and once it is gone for nothing.
TEST_F(RuntimesWords, OnASizeFillTheDeviceThatTheJobIsOnAndNoOther) {
  start_both();
  channel::Tracked huge;
  huge.state_bytes = huge.relocatable_bytes = ~std::uint64_t{0};
  write_script({channel::encode(huge)});
  ASSERT_TRUE(within(20s, [&] { return fs::exists(folder() / "done"); }));
  EXPECT_TRUE(within(10s, [&] {
    return a_.log().find("job bad says that it keeps") != std::string::npos;
  })) << a_.log();
  EXPECT_THAT(a_.command({"events"}).out, HasSubstr("job bad says that it keeps"));
  const auto device = a_.ask({"devices"}).at("devices").as_array().at(0).as_object();
  EXPECT_LE(number(device, "reserved_bytes"), number(device, "total_bytes"));
  EXPECT_TRUE(a_.steps_again_within("good", 5s));
}

/// What the agent at `a` answers to a Hello.
channel::Message answer_to(const Host& host, const channel::Hello& hello) {
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto path = (host.dir() / "runtime.sock").string();
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            0);
  const auto frame = channel::encode(hello);
  (void)::send(socket.get(), frame.data(), frame.size(), MSG_NOSIGNAL);
  channel::FrameReader frames;
  Bytes piece(16384);
  while (true) {
    if (auto body = frames.next()) return channel::decode(*body);
    const auto got = ::recv(socket.get(), piece.data(), piece.size(), 0);
    if (got <= 0) return channel::Refused{Code::link_lost, "closed", ""};
    frames.feed(std::span(piece).first(static_cast<std::size_t>(got)));
  }
}

TEST_F(RuntimesWords, OfAnotherSessionOrWithAnothersTokenAreNotHeard) {
  start_both();
  channel::Hello hello;
  hello.token = read_file(folder() / "token");
  for (const auto* name : {"bad", "good", "", "../bad"}) {
    hello.job = name;  // the right token too: this process is not of that job's session
    const auto answer = answer_to(a_, hello);
    EXPECT_TRUE(std::holds_alternative<channel::Refused>(answer)) << name;
  }
  // From the right session: its own token for the other job.
  hello.job = "good";
  channel::Failed failed{"", Code::internal, "x", "", true};
  auto both = channel::encode(hello);
  const auto frame = channel::encode(failed);
  both.insert(both.end(), frame.begin(), frame.end());
  write_script({both});
  ASSERT_TRUE(within(20s, [&] { return fs::exists(folder() / "done"); }));
  EXPECT_TRUE(a_.job("good").at("attached").as_bool());
  EXPECT_TRUE(a_.steps_again_within("good", 5s));
  EXPECT_EQ(text(a_.job("good"), "state"), "running");
}

}  // namespace
}  // namespace cardswap::test
