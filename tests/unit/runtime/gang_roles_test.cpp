// What a runtime does in a gang: as a rank that stays, as one that leaves, and as a newcomer. The
// agent is played by the test, and so are the program's communicators.

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/session/foreign_session.h"
#include "tests/unit/runtime/one_trainer.h"

namespace cardswap::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kGang = "g-1";
constexpr std::uint32_t kRanks = 3;

/// What happens to the communicators of the program, as the test wants it.
struct Played : Notes {
  std::vector<std::string> calls;  // in note() and look()
  std::vector<std::uint32_t> moved;
  std::string fails;      // the call that fails
  std::string stands_in;  // the call that waits until the test lets it go on
  Session* session = nullptr;

  bool is_called(const std::string& name) {
    return within(20s, [&] { return std::ranges::find(calls, name) != calls.end(); });
  }
  void let_go() {
    note([&] { stands_in.clear(); });
  }
};

class PlayedCommunicators final : public Communicators {
 public:
  explicit PlayedCommunicators(Played& played) : played_(played) {}
  void build(const NextRanks& next) override {
    played_.note([&] { played_.moved = next.moved; });
    call("build " + std::to_string(next.epoch) + " at " + next.rendezvous, next.epoch);
  }
  void roll_back() override { call("roll_back"); }
  void close_old() override { call("close_old"); }
  void trip() override { call("trip"); }
  void exchange() override { call("exchange"); }

 private:
  void call(const std::string& name, std::uint64_t epoch = 0) {
    played_.note([&] { played_.calls.push_back(name); });
    const auto first = name.substr(0, name.find(' '));
    const auto is_free = [&] {
      return played_.stands_in != first ||
             (epoch != 0 && ForeignSession::is_given_up(*played_.session, epoch));
    };
    while (!played_.within(5ms, is_free)) {
    }
    if (played_.look([&] { return played_.fails == first; })) {
      throw Error(Code::refused, first + " fails", "look");
    }
  }

  Played& played_;
};

class InAGang : public Roles {
 protected:
  InAGang() {
    begin_program_ = [this](Session& session) {
      played_.note([&] { played_.session = &session; });
      ForeignSession::set_ranks(session, 1, kRanks, std::make_unique<PlayedCommunicators>(played_));
    };
  }
  ~InAGang() override {
    played_.let_go();
    end_loop();  // before what its communicators tell is gone
  }

  static channel::BuildNext build_next(const std::string& gang = kGang, std::uint64_t epoch = 2) {
    return {gang, epoch, "10.0.0.4:7002", kRanks, {2}};
  }
  void build() {
    job_->line.say(build_next());
    EXPECT_EQ(job_->line.hear<channel::NextBuilt>().gang, kGang);
  }
  /// The step at which it stands from now on.
  std::uint64_t stand() {
    const auto step = steps_ + 100;
    job_->line.say(channel::Arm{kGang, step});
    EXPECT_EQ(job_->line.hear<channel::Armed>(), (channel::Armed{kGang, step}));
    EXPECT_EQ(job_->line.hear<channel::Reached>(), (channel::Reached{kGang, step}));
    return step;
  }
  void check() {
    job_->line.say(channel::Check{kGang});
    (void)job_->line.hear<channel::Checked>();
  }
  void expect_released() {
    job_->line.say(channel::Release{kGang});
    EXPECT_EQ(job_->line.hear<channel::Released>().migration, kGang);
    EXPECT_TRUE(trains());
    EXPECT_THAT(calls(), ::testing::Contains("roll_back"));
    EXPECT_THAT(calls(), ::testing::Not(::testing::Contains("exchange")));
  }
  std::vector<std::string> calls() {
    return played_.look([&] { return played_.calls; });
  }

  Played played_;
};

// ---- a rank that stays

TEST_F(InAGang, GoesOnWithTheNextCommunicatorAtTheStepThatIsAgreed) {
  open_primary(64 * kKiB);
  build();
  EXPECT_TRUE(trains()) << "it was built beside the loop";
  const auto step = stand();
  EXPECT_EQ(steps_, step - 1) << "it stands in the boundary of that step";
  check();
  job_->line.say(channel::SwitchOver{kGang, 2});
  EXPECT_EQ(job_->line.hear<channel::FirstStep>(), (channel::FirstStep{kGang, step + 1}));
  EXPECT_TRUE(trains());
  EXPECT_THAT(calls(), ElementsAre("build 2 at 10.0.0.4:7002", "trip", "exchange"));
  EXPECT_THAT(played_.moved, ElementsAre(2));
  job_->line.say(channel::CloseOld{kGang});
  EXPECT_TRUE(played_.is_called("close_old"));
  job_->line.close();
  job_.emplace(agent_.attach({.epoch = 2, .granted = true}));
  EXPECT_EQ(job_->hello.epoch, 2U);
  EXPECT_EQ(job_->hello.migration, "");
}

TEST_F(InAGang, GoesOnAsBeforeWhereverItIsReleased) {
  open_primary(64 * kKiB);
  build();
  expect_released();
  job_->line.say(build_next(kGang, 3));
  (void)job_->line.hear<channel::NextBuilt>();
  job_->line.say(channel::Arm{kGang, steps_ + 100'000'000});
  (void)job_->line.hear<channel::Armed>();
  expect_released();
  job_->line.say(build_next(kGang, 4));
  (void)job_->line.hear<channel::NextBuilt>();
  (void)stand();
  expect_released();
  job_->line.say(build_next(kGang, 5));
  (void)job_->line.hear<channel::NextBuilt>();
  (void)stand();
  check();
  expect_released();
}

TEST_F(InAGang, DoesNotWaitForRanksThatDoNotComeOnceItIsReleased) {
  played_.stands_in = "build";
  open_primary(64 * kKiB);
  job_->line.say(build_next());
  EXPECT_TRUE(played_.is_called("build 2 at 10.0.0.4:7002"));
  EXPECT_TRUE(trains());
  expect_released();
}

TEST_F(InAGang, IsReleasedInTheMiddleOfItsCheck) {
  open_primary(64 * kKiB);
  build();
  (void)stand();
  played_.note([&] { played_.stands_in = "trip"; });
  job_->line.say(channel::Check{kGang});
  EXPECT_TRUE(played_.is_called("trip"));
  job_->line.say(channel::Release{kGang});
  played_.let_go();
  EXPECT_EQ((hear_without<channel::Checked, channel::Released>().migration), kGang);
  EXPECT_TRUE(trains());
}

TEST_F(InAGang, StandsWhenItsCheckFailsUntilItIsReleased) {
  open_primary(64 * kKiB);
  build();
  (void)stand();
  played_.note([&] { played_.fails = "trip"; });
  job_->line.say(channel::Check{kGang});
  EXPECT_THAT(job_->line.hear<channel::CheckFailed>().failure, HasSubstr("trip fails"));
  const auto stands = steps_.load();
  job_->line.say(channel::SwitchOver{kGang, 2});
  job_->line.say(channel::Arm{kGang, 1});
  (void)job_->line.hear<channel::Late>();
  EXPECT_EQ(steps_, stands);
  expect_released();
}

TEST_F(InAGang, SaysThatItCannotBuildAndBuildsWhenItIsAskedAgain) {
  played_.fails = "build";
  open_primary(64 * kKiB);
  job_->line.say(build_next());
  const auto failed = job_->line.hear<channel::Failed>();
  EXPECT_EQ(failed.migration, kGang);
  EXPECT_THAT(failed.failure, HasSubstr("build fails"));
  EXPECT_TRUE(trains());
  played_.note([&] { played_.fails.clear(); });
  build();
}

TEST_F(InAGang, RefusesAGangOfAnotherNumberOfRanks) {
  open_primary(64 * kKiB);
  job_->line.say(channel::BuildNext{kGang, 2, "10.0.0.4:7002", kRanks + 1, {2}});
  EXPECT_THAT(job_->line.hear<channel::Failed>().failure, HasSubstr("has 4 ranks"));
  EXPECT_THAT(calls(), ::testing::IsEmpty());
  EXPECT_TRUE(trains());
}

TEST_F(InAGang, IsLateForAStepThatIsBehindIt) {
  open_primary(64 * kKiB);
  build();
  EXPECT_TRUE(trains());
  job_->line.say(channel::Arm{kGang, 1});
  const auto late = job_->line.hear<channel::Late>();
  EXPECT_GT(late.earliest, 1U);
  EXPECT_TRUE(trains());
  (void)stand();
  expect_released();
}

TEST_F(InAGang, StandsAtALaterStepThatIsProposedWhereItStands) {
  open_primary(64 * kKiB);
  build();
  const auto first = stand();
  job_->line.say(channel::Arm{kGang, first});
  EXPECT_EQ(job_->line.hear<channel::Armed>().step, first);
  EXPECT_EQ(job_->line.hear<channel::Reached>().step, first) << "it stands there still";
  job_->line.say(channel::Arm{kGang, first + 3});
  EXPECT_EQ(job_->line.hear<channel::Reached>().step, first + 3);
  expect_released();
}

TEST_F(InAGang, TellsAnAgentThatComesBackThatItStands) {
  open_primary(64 * kKiB);
  build();
  (void)stand();
  job_->line.close();
  job_.emplace(agent_.attach({.epoch = 1, .granted = true}));
  EXPECT_EQ(job_->hello.migration, kGang);
  EXPECT_TRUE(job_->hello.frozen);
  EXPECT_EQ(job_->hello.rank, 1U);
  EXPECT_EQ(job_->hello.ranks, kRanks);
  job_->line.say(build_next());
  expect_released();
}

TEST_F(InAGang, IsInNoMigrationMeanwhile) {
  open_primary(64 * kKiB);
  build();
  listen();
  job_->line.say(begin());
  const auto failed = job_->line.hear<channel::Failed>();
  EXPECT_EQ(failed.migration, kMigration);
  EXPECT_EQ(failed.code, Code::conflict);
  (void)stand();
  expect_released();
}

TEST_F(InAGang, ClosesItsSessionWhileItBuilds) {
  played_.stands_in = "build";
  open_primary(64 * kKiB);
  job_->line.say(build_next());
  EXPECT_TRUE(played_.is_called("build 2 at 10.0.0.4:7002"));
  stop_training();
  EXPECT_FALSE(job_->line.hear<channel::Ended>().moved);
}

class WithoutCommunicators : public Roles {};

TEST_F(WithoutCommunicators, StaysInNoGang) {
  open_primary(64 * kKiB);
  job_->line.say(channel::BuildNext{kGang, 2, "10.0.0.4:7002", 1, {}});
  EXPECT_THAT(job_->line.hear<channel::Failed>().failure, HasSubstr("no communicators"));
  job_->line.say(channel::Release{kGang});
  EXPECT_EQ(job_->line.hear<channel::Released>().migration, kGang);
  EXPECT_TRUE(trains());
}

TEST_F(WithoutCommunicators, LeavesNoGang) {
  open_primary(64 * kKiB);
  listen(kGang);
  auto asked = begin(kGang);
  asked.of_gang = true;
  job_->line.say(asked);
  EXPECT_THAT(job_->line.hear<channel::Failed>().failure, HasSubstr("one rank"));
  EXPECT_TRUE(trains());
}

// ---- a rank that leaves

class Leaving : public InAGang {
 protected:
  channel::BeginSync begin_in_gang() {
    listen(kGang);
    auto asked = begin(kGang);
    asked.of_gang = true;
    return asked;
  }
  void sync() {
    job_->line.say(begin_in_gang());
    EXPECT_EQ((hear_without<channel::NextBuilt, channel::Converged>().migration), kGang);
  }
  std::string refused(const channel::BeginSync& asked) {
    job_->line.say(asked);
    const auto failed = job_->line.hear<channel::Failed>();
    job_->line.say(channel::Release{asked.migration});
    (void)job_->line.hear<channel::Released>();
    EXPECT_TRUE(trains());
    return failed.failure;
  }
};

TEST_F(Leaving, SendsTheRestAtTheStepThatIsAgreedAndIsRetired) {
  open_primary(256 * kKiB);
  sync();
  EXPECT_TRUE(trains()) << "it freezes by its agent alone";
  const auto step = stand();
  job_->line.say(channel::Check{kGang});
  const auto checked = hear_without<channel::Verified, channel::Checked>();
  EXPECT_EQ(checked.step, step);
  EXPECT_EQ(checked.state_digest, held_there().state_digest);
  EXPECT_EQ(held_there().step, step);
  EXPECT_THAT(calls(), ::testing::IsEmpty()) << "it takes no part in the next communicator";
  job_->line.say(channel::Retire{kGang});
  EXPECT_TRUE(job_->line.hear<channel::Ended>().moved);
}

TEST_F(Leaving, GoesOnWhereverItIsReleased) {
  open_primary(256 * kKiB);
  for (const int until : {0, 1, 2}) {
    sync();
    if (until > 0) (void)stand();
    if (until > 1) check();
    job_->line.say(channel::Release{kGang});
    EXPECT_EQ(job_->line.hear<channel::Released>().migration, kGang);
    EXPECT_TRUE(trains()) << until;
  }
}

TEST_F(Leaving, MovesByAGangAloneAndNeitherWithItsProcessNorByReplay) {
  open_primary(64 * kKiB);
  listen();
  EXPECT_THAT(refused(begin()), HasSubstr("this job has 3 ranks, which move by a gang alone"));
  auto asked = begin_in_gang();
  asked.spec.strategy = Strategy::replay;
  EXPECT_THAT(refused(asked), HasSubstr("does not replay"));
  asked = begin_in_gang();
  asked.spec.arrive = ArrivalMode::criu;
  EXPECT_THAT(refused(asked), HasSubstr("does not move with its process"));
}

TEST_F(Leaving, StandsWhenItsNewcomerIsLostUntilItIsReleased) {
  open_primary(256 * kKiB);
  sync();
  const auto step = stand();
  target_.reset();
  job_->line.say(channel::Check{kGang});
  std::optional<channel::Message> failed;
  while (!failed) {
    auto said = job_->line.next();
    if (std::holds_alternative<channel::Failed>(said) ||
        std::holds_alternative<channel::CheckFailed>(said))
      failed = std::move(said);
  }
  EXPECT_EQ(steps_, step - 1);
  job_->line.say(channel::Release{kGang});
  while (!std::holds_alternative<channel::Released>(job_->line.next())) {
  }
  EXPECT_TRUE(trains());
}

// ---- a newcomer

class Newcomer : public InAGang {
 protected:
  void open_newcomer() {
    open({.migration = kMigration,
          .data_host = "127.0.0.1",
          .data_token = kDataToken,
          .transports = "tcp",
          .agent_address = "10.0.0.7:7070",
          .gang = {kGang, 2, 1, kRanks, "10.0.0.4:7002", {1}}},
         64 * kKiB);
    port_ = job_->line.hear<channel::Parked>().port;
  }
};

TEST_F(Newcomer, HoldsTheStateOnceItsCommunicatorWorksAndGoesOnWithIt) {
  played_.stands_in = "trip";
  open_newcomer();
  EXPECT_TRUE(played_.is_called("build 2 at 10.0.0.4:7002"));
  Giver giver(64 * kKiB);
  std::jthread beside([&] {
    EXPECT_TRUE(played_.is_called("trip"));
    played_.note([&] { played_.calls.emplace_back("go on"); });
    played_.let_go();
  });
  const auto verified = fill(giver);
  EXPECT_THAT(calls(), ElementsAre("build 2 at 10.0.0.4:7002", "trip", "go on"))
      << "it says so behind that";
  job_->line.say(channel::Grant{kMigration, 2, verified.state_digest});
  (void)job_->line.hear<channel::Resumed>();
  EXPECT_EQ(calls().back(), "exchange");
  EXPECT_EQ(job_->line.hear<channel::FirstStep>().step, verified.step + 1);
  job_->line.say(channel::Release{kMigration});
  EXPECT_TRUE(trains());
}

/// In a process of its own: one that is not granted stands in its boundary for good.
TEST_F(Newcomer, HoldsNoStateIfItsCommunicatorDoesNotWork) {
  const auto fails = [this] {
    played_.fails = "trip";
    open_newcomer();
    Giver giver(64 * kKiB);
    try {
      (void)fill(giver);
    } catch (const std::runtime_error& failed) {
      const bool says = std::string(failed.what()).find("trip fails") != std::string::npos;
      std::_Exit(says && steps_ == 0 ? 0 : 1);
    }
    std::_Exit(2);
  };
  EXPECT_EXIT(fails(), ::testing::ExitedWithCode(0), "");
}

TEST_F(Newcomer, TakesNoGrantWithWhichItCannotGoOn) {
  const auto fails = [this] {
    played_.fails = "exchange";
    open_newcomer();
    Giver giver(64 * kKiB);
    const auto verified = fill(giver);
    job_->line.say(channel::Grant{kMigration, 2, verified.state_digest});
    const auto failed = job_->line.hear<channel::Failed>();
    const bool says = failed.failure.find("exchange fails") != std::string::npos;
    std::_Exit(says && steps_ == 0 ? 0 : 1);
  };
  EXPECT_EXIT(fails(), ::testing::ExitedWithCode(0), "");
}

// ---- its place

TEST_F(InAGang, TellsItsAgentItsPlaceAndTheAgentsOfAllRanks) {
  const channel::RankPlace place{1, kRanks, {"10.0.0.2:7070", "10.0.0.3:7070", ""}};
  open({.epoch = 1, .granted = true, .agent_address = "10.0.0.3:7070"}, 64 * kKiB);
  EXPECT_EQ(job_->line.hear<channel::RankPlace>(), (channel::RankPlace{1, kRanks, {}}));
  in_a_step([&] {
    EXPECT_EQ(ForeignSession::agent_address(*played_.session), "10.0.0.3:7070");
    EXPECT_EQ(ForeignSession::place_in_gang(*played_.session).ranks, 0U);
    ForeignSession::tell_agents(*played_.session, place.agents);
  });
  EXPECT_EQ(job_->line.hear<channel::RankPlace>(), place);
  job_->line.close();
  job_.emplace(agent_.attach({.epoch = 1, .granted = true}));
  EXPECT_EQ(job_->hello.rank, 1U);
  EXPECT_EQ(job_->hello.ranks, kRanks);
  EXPECT_EQ(job_->line.hear<channel::RankPlace>(), place);
}

}  // namespace
}  // namespace cardswap::test
