// What a runtime does in a gang as a rank that leaves, and as a newcomer.

#include <gmock/gmock.h>

#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/unit/runtime/in_a_gang.h"

namespace cardswap::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
    moved_as_ = kGang;  // one that leaves knows the gang alone, whose newcomers each have an id
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
  const auto fails = [this](bool foreignly) {
    played_.fails = "exchange";
    played_.fails_foreignly = foreignly;
    open_newcomer();
    Giver giver(64 * kKiB);
    const auto verified = fill(giver);
    job_->line.say(channel::Grant{kMigration, 2, verified.state_digest});
    const auto failed = job_->line.hear<channel::Failed>();
    const bool says = failed.failure.find("exchange fails") != std::string::npos;
    std::_Exit(says && steps_ == 0 ? 0 : 1);
  };
  EXPECT_EXIT(fails(false), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(fails(true), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace cardswap::test
