/// Method: real trainers, holders and custodians, with their memory on the host or, over the
/// stand-ins, on a card as well; the test plays both agents. A process that departs and is told
/// that it arrived, without CRIU in between, shows all of the runtime's part.

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "runtime/memory_socket.h"
#include "runtime/passed_arena.h"
#include "tests/support/needs.h"
#include "tests/support/process.h"
#include "tests/support/sanitizer.h"
#include "tests/support/scripted_agent.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

const std::string kMigration = "m-1";

/// What each descriptor of a process is.
std::multiset<std::string> descriptors_of(int pid) {
  std::multiset<std::string> all;
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    all.insert(fs::read_symlink(entry.path()));
  }
  return all;
}

std::size_t threads_of(int pid) {
  const fs::directory_iterator all("/proc/" + std::to_string(pid) + "/task");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

class Departing : public ::testing::Test {
 protected:
  Departing() : dir_(make_dir()), agent_(dir_ / "agent.sock") {}
  ~Departing() override { fs::remove_all(dir_); }
  void SetUp() override {
    if (ON_CARD && test::kThreadSanitizer) return skip_without("unsanitized", test::kNoAddresses);
  }

  static fs::path make_dir() {
    std::string name = "/tmp/cardswap-departure-XXXXXX";
    return ::mkdtemp(name.data());
  }

  std::vector<std::string> environment(const std::string& token, const std::string& role) const {
    return {"env",
            "CARDSWAP_SOCKET=" + agent_.path(),
            "CARDSWAP_TOKEN=" + token,
            "CARDSWAP_JOB=job",
            "CARDSWAP_ROLE=" + role,
            "UCX_VFS_ENABLE=n"};
  }

  Child start(std::vector<std::string> argv, const std::vector<std::string>& more,
              const std::string& log) const {
    argv.insert(argv.end(), more.begin(), more.end());
    return {argv, dir_ / log};
  }

  std::vector<std::string> trainer(const std::string& log) const {
    return {TRAINER, "--arena", "--bytes", "6000000",    "--dirty-share", "0.3",        "--step-ms",
            "2",     "--steps", "1000000", "--end-when", dir_ / "end",    "--loss-log", dir_ / log};
  }

  /// A trainer that was granted epoch 1, and a holder that listens for it.
  void start_both() {
    trainer_.emplace(start(environment("token", "primary"), trainer("losses"), "trainer.log"));
    job_.emplace(agent_.attach({.epoch = 1, .granted = true}));
    tracked_ = job_->line.hear<channel::Tracked>();
    ASSERT_TRUE(within(10s, [&] { return steps_logged() > 0; }));
    before_ = descriptors_of(trainer_->pid());
    holder_.emplace(start(environment("holder's", "standby"),
                          {HOLDER, "--hand-over", dir_ / "hand-over"}, "holder.log"));
    standby_.emplace(agent_.attach({.migration = kMigration,
                                    .data_host = "127.0.0.1",
                                    .data_token = "data",
                                    .transports = transports_}));
    port_ = standby_->line.hear<channel::Parked>().port;
  }

  channel::BeginSync begin(const std::string& migration = kMigration) const {
    channel::BeginSync begin;
    begin.migration = migration;
    begin.host = "127.0.0.1";
    begin.port = port_;
    begin.token = "data";
    begin.transports = transports_;
    begin.spec.max_stall_ms = 0;
    begin.spec.arrive = ArrivalMode::criu;
    return begin;
  }

  /// Up to equal digests on both sides.
  void verify() {
    job_->line.say(begin());
    (void)job_->line.hear<channel::Converged>();
    job_->line.say(channel::Freeze{kMigration});
    (void)job_->line.hear<channel::Frozen>();
    const auto source = job_->line.hear<channel::Verified>();
    const auto target = standby_->line.hear<channel::Verified>();
    EXPECT_EQ(source.state_digest, target.state_digest);
    EXPECT_EQ(source.step, target.step);
    state_digest_ = source.state_digest;
    step_ = source.step;
  }

  void depart() {
    const auto custodian = dir_ / "custodian";
    custodian_.emplace(
        Child({HOLDER, "--custody", custodian, "--trainer", std::to_string(trainer_->pid())},
              dir_ / "custodian.log"));
    ASSERT_TRUE(within(10s, [&] { return fs::exists(custodian); }));
    job_->line.say(
        channel::Depart{kMigration, custodian, static_cast<std::uint64_t>(custodian_->pid())});
    const auto departed = job_->line.hear<channel::Departed>();
    EXPECT_EQ(departed.state_digest, state_digest_);
    inode_ = departed.socket_inode;
  }

  /// Ends the trainer after some more steps; its losses must be those of one that nobody moved.
  void expect_undisturbed(std::uint64_t after) {
    ASSERT_TRUE(within(20s, [&] { return steps_logged() > after + 20; }));
    std::ofstream(dir_ / "end").close();
    ASSERT_EQ(trainer_->wait(), 0);
    const auto losses = read_file(dir_ / "losses");
    auto alone = trainer("alone");
    *(std::find(alone.begin(), alone.end(), "--steps") + 1) = std::to_string(steps_logged());
    fs::remove(dir_ / "end");
    ASSERT_EQ(run(alone).exit_code, 0);
    EXPECT_EQ(losses, read_file(dir_ / "alone"));
  }

  [[nodiscard]] std::uint64_t steps_logged() const {
    std::ifstream log(dir_ / "losses");
    std::uint64_t steps = 0;
    for (std::string line; std::getline(log, line);) steps += line.starts_with("step ") ? 1 : 0;
    return steps;
  }

  const fs::path dir_;
  ScriptedAgent agent_;
  std::optional<Child> trainer_;
  std::optional<Child> holder_;
  std::optional<Child> custodian_;
  std::optional<ScriptedAgent::Attached> job_;
  std::optional<ScriptedAgent::Attached> standby_;
  channel::Tracked tracked_;
  std::multiset<std::string> before_;
  std::string transports_ = "tcp";
  std::uint16_t port_ = 0;
  Digest state_digest_;
  std::uint64_t step_ = 0;
  std::uint64_t inode_ = 0;
};

class DepartingOver : public Departing, public ::testing::WithParamInterface<const char*> {};

TEST_P(DepartingOver, LeavesOnlyTheAgentsSocketOpenAndGoesOnWhenReleased) {
  transports_ = GetParam();
  start_both();
  EXPECT_EQ(tracked_.relocatable_bytes, 6000000U);
  verify();
  const auto pid = trainer_->pid();
  EXPECT_THAT(
      read_file("/proc/" + std::to_string(pid) + "/maps"),
      ::testing::Conditional(ON_CARD, HasSubstr("stand-in vmm"), Not(HasSubstr("stand-in vmm"))));
  depart();

  EXPECT_THAT(before_, Contains("socket:[" + std::to_string(inode_) + "]"));
  EXPECT_THAT(before_, Contains(HasSubstr("cardswap-arena")));
  std::erase_if(before_,
                [](const auto& what) { return what.find("cardswap-arena") != std::string::npos; });
  EXPECT_EQ(descriptors_of(pid), before_) << "before it heard of a migration";
  // ThreadSanitizer has one of its own.
  EXPECT_EQ(threads_of(pid), test::kThreadSanitizer ? 3U : 2U)
      << "the training loop's and the channel's";
  const auto maps = read_file("/proc/" + std::to_string(pid) + "/maps");
  EXPECT_THAT(maps, AllOf(Not(HasSubstr("cardswap-arena")), Not(HasSubstr("stand-in vmm")),
                          Not(HasSubstr("/dev/shm")), Not(HasSubstr("SYSV"))));

  job_->line.say(channel::Release{kMigration});
  EXPECT_EQ(job_->line.hear<channel::Released>().migration, kMigration);
  EXPECT_EQ(custodian_->wait(), 0) << "a custodian without a keepsake ends";
  expect_undisturbed(step_);
}

INSTANTIATE_TEST_SUITE_P(Transports, DepartingOver,
                         ::testing::Values("tcp", "", "posix,sysv,self,tcp"));

TEST_F(Departing, ArrivesWithWhatTheHolderReceived) {
  start_both();
  verify();
  depart();
  job_->line.say(channel::Arrived{kMigration, 0, dir_ / "hand-over", agent_.path(), "holder's",
                                  "job", state_digest_});
  const auto verified = job_->line.hear<channel::Verified>();
  EXPECT_EQ(verified.state_digest, state_digest_);
  EXPECT_EQ(verified.step, step_);
  EXPECT_EQ(holder_->wait(), 0) << "a holder ends when its memory is somebody else's";

  // As every verified standby: it waits for its agent through the agent's restart.
  job_->line.close();
  job_.emplace(agent_.attach({}));
  EXPECT_EQ(job_->hello.role, channel::Role::standby);
  EXPECT_EQ(job_->hello.token, "holder's");
  EXPECT_EQ(job_->hello.epoch, 0U);

  job_->line.say(channel::Grant{kMigration, 2, state_digest_});
  const auto resumed = job_->line.hear<channel::Resumed>();
  EXPECT_EQ(resumed.step, step_);
  EXPECT_GT(resumed.downtime_ms, 0);
  EXPECT_LT(resumed.downtime_ms, 20'000);
  EXPECT_EQ(job_->line.hear<channel::FirstStep>().step, step_ + 1);
  job_->line.say(channel::Release{kMigration});
  expect_undisturbed(step_);
}

TEST_F(Departing, ComesBackToAnAgentThatWasRestarted) {
  start_both();
  verify();
  depart();
  job_->line.close();
  job_.emplace(agent_.attach({.epoch = 1, .granted = true}));
  EXPECT_TRUE(job_->hello.frozen);
  EXPECT_EQ(job_->hello.migration, kMigration);
  EXPECT_EQ(job_->hello.epoch, 1U);
  job_->line.say(begin("m-2"));  // not while it is away
  job_->line.say(channel::Release{kMigration});
  EXPECT_EQ(job_->line.hear<channel::Released>().migration, kMigration);
  expect_undisturbed(step_);
}

TEST_F(Departing, StaysWhenNoCustodianTakesItsMemory) {
  start_both();
  verify();
  job_->line.say(channel::Depart{kMigration, dir_ / "nobody", 1});
  EXPECT_EQ(job_->line.hear<channel::Failed>().code, Code::unreachable);
  job_->line.say(begin("m-2"));  // it stands for the one that it did not leave with
  job_->line.say(channel::Release{kMigration});
  EXPECT_EQ(job_->line.hear<channel::Released>().migration, kMigration);
  expect_undisturbed(step_);
}

/// Somebody who came first: a process that is not the one which the agent started.
TEST_F(Departing, GivesItsMemoryToNobodyButItsCustodian) {
  start_both();
  verify();
  const memory_transfer::Listener stranger(dir_ / "stranger");
  const auto another = static_cast<std::uint64_t>(holder_->pid());
  job_->line.say(channel::Depart{kMigration, dir_ / "stranger", another});
  const auto failed = job_->line.hear<channel::Failed>();
  EXPECT_EQ(failed.code, Code::unauthorized) << failed.failure;
  EXPECT_FALSE(failed.lost);
  auto connection = stranger.accept();
  ASSERT_TRUE(connection);
  EXPECT_FALSE(connection->receive(std::chrono::steady_clock::now() + 10s)) << "not a word";
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
  expect_undisturbed(step_);
}

/// A custodian that the test plays: it has the memory's files, and can write to them.
TEST_F(Departing, GoesOnWithNoMemoryThatWasAlteredMeanwhile) {
  start_both();
  verify();
  const memory_transfer::Listener custodian(dir_ / "mine");
  const auto accepted = [&] {
    std::optional<memory_transfer::Connection> connection;
    EXPECT_TRUE(within(10s, [&] { return (connection = custodian.accept()).has_value(); }));
    return std::move(connection.value());
  };
  const auto soon = [] { return std::chrono::steady_clock::now() + 10s; };
  job_->line.say(
      channel::Depart{kMigration, dir_ / "mine", static_cast<std::uint64_t>(::getpid())});
  std::vector<memory_transfer::PassedArena> kept;
  {
    auto connection = accepted();
    auto received = connection.receive(soon());
    ASSERT_TRUE(received && std::holds_alternative<memory_transfer::Keep>(received->message));
    kept = memory_transfer::arenas_from(std::get<memory_transfer::Keep>(received->message).arenas,
                                        std::move(received->files));
    connection.send(memory_transfer::Kept{});
    (void)job_->line.hear<channel::Departed>();
  }
  const auto host = std::ranges::find(kept, "cpu", &memory_transfer::PassedArena::device);
  ASSERT_NE(host, kept.end());
  const auto flip_a_bit = [&] {
    const int file = host->pieces.front().file.get();
    char byte = 0;
    ASSERT_EQ(::pread(file, &byte, 1, 1 << 20), 1);
    byte = static_cast<char>(byte ^ 1);
    ASSERT_EQ(::pwrite(file, &byte, 1, 1 << 20), 1);
  };
  const auto give_back = [&] {
    job_->line.say(channel::Release{kMigration});
    auto connection = accepted();
    ASSERT_TRUE(connection.receive(soon()));
    memory_transfer::Memory memory;
    memory.arenas = memory_transfer::outlines_of(kept);
    connection.send(memory, memory_transfer::files_of(kept));
    (void)connection.receive(soon());
  };

  flip_a_bit();
  const auto steps = steps_logged();
  give_back();
  const auto failed = job_->line.hear<channel::Failed>();
  EXPECT_EQ(failed.code, Code::digest_mismatch) << failed.failure;
  EXPECT_TRUE(failed.lost);
  EXPECT_EQ(steps_logged(), steps);

  flip_a_bit();  // as it was
  give_back();
  (void)job_->line.hear<channel::Released>();
  expect_undisturbed(step_);
}

TEST_F(Departing, SaysThatItIsLostWhenItsCustodianIsGone) {
  start_both();
  verify();
  depart();
  custodian_->kill(SIGKILL);
  (void)custodian_->wait();
  job_->line.say(channel::Release{kMigration});
  const auto failed = job_->line.hear<channel::Failed>();
  EXPECT_TRUE(failed.lost) << failed.failure;
  EXPECT_EQ(failed.migration, kMigration);
}

TEST_F(Departing, FailsToArriveWithAnotherStateAndComesBack) {
  start_both();
  verify();
  depart();
  for (const auto& [token, state_digest] :
       std::map<std::string, Digest>{{"stolen", state_digest_}, {"holder's", Digest{{1}}}}) {
    job_->line.say(channel::Arrived{kMigration, 0, dir_ / "hand-over", agent_.path(), token, "job",
                                    state_digest});
    EXPECT_EQ(job_->line.hear<channel::Failed>().migration, kMigration);
  }
  EXPECT_FALSE(holder_->ended());
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
  expect_undisturbed(step_);
}

TEST_F(Departing, RefusesToReplayAndWhatItCannotMove) {
  start_both();
  auto replay = begin();
  replay.spec.strategy = Strategy::replay;
  job_->line.say(replay);
  EXPECT_EQ(job_->line.hear<channel::Failed>().code, Code::bad_request);
  job_->line.say(channel::Release{kMigration});
  (void)job_->line.hear<channel::Released>();
  expect_undisturbed(0);
}

TEST_F(Departing, ACustodianEndsWithItsTrainerAndTalksToNobodyElse) {
  start_both();
  verify();
  depart();
  // The test is another process than the trainer: the custodian closes without a word.
  auto stranger = memory_transfer::Connection::to(dir_ / "custodian");
  try {
    stranger.send(memory_transfer::Fetch{});
  } catch (const Error&) {
    // It has closed already.
  }
  EXPECT_FALSE(stranger.receive(std::chrono::steady_clock::now() + 10s).has_value());
  EXPECT_FALSE(custodian_->ended());
  trainer_->kill(SIGKILL);
  EXPECT_EQ(custodian_->wait(), 0);
  EXPECT_FALSE(fs::exists(dir_ / "custodian"));
}

}  // namespace
}  // namespace cardswap::test
