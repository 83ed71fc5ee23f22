#include "agent/handover/source/transfer_states.h"

#include <gmock/gmock.h>

#include <set>
#include <string>

#include "agent/handover/source/transfer.h"
#include "tests/support/needs.h"

namespace cardswap {
namespace {

using ::testing::UnorderedElementsAre;

/// With assertions only: other builds take any step.
#if defined(NDEBUG)
constexpr bool kHoldsSteps = false;
#else
constexpr bool kHoldsSteps = true;
#endif

/// "training > converged", of all that may follow each other.
template <Named Enum>
std::set<std::string> steps() {
  std::set<std::string> all;
  for (std::size_t from = 0; from < kCountOf<Enum>; ++from) {
    for (std::size_t to = 0; to < kCountOf<Enum>; ++to) {
      if (!may_follow(static_cast<Enum>(from), static_cast<Enum>(to))) continue;
      all.insert(std::string(to_string(static_cast<Enum>(from))) + " > " +
                 std::string(to_string(static_cast<Enum>(to))));
    }
  }
  return all;
}

TEST(TransferStates, OfTheProcessHereGoOnOneByOneUntilItIsReleased) {
  EXPECT_THAT(
      steps<SourceProgress>(),
      UnorderedElementsAre("training > converged", "converged > frozen", "frozen > verified",
                           "verified > departed", "training > released", "converged > released",
                           "frozen > released", "verified > released", "departed > released"));
}

TEST(TransferStates, OfThePlaceThereEndWhenItWasDropped) {
  EXPECT_THAT(steps<ReservationProgress>(),
              UnorderedElementsAre(
                  "unasked > asked", "asked > accepted", "accepted > grant_answered",
                  "grant_answered > accepted", "unasked > grant_answered", "unasked > dropped",
                  "asked > dropped", "accepted > dropped", "grant_answered > dropped"));
}

TEST(TransferStates, OfAContinuationBeginAnewUntilTheDevicesAreBack) {
  EXPECT_THAT(steps<Continuation>(), UnorderedElementsAre("none > under way", "under way > none",
                                                          "under way > GPUs back"));
}

TEST(TransferStates, OfAReleasedProcessHaveReachedNothing) {
  EXPECT_TRUE(has_reached(SourceProgress::verified, SourceProgress::frozen));
  EXPECT_TRUE(has_reached(SourceProgress::frozen, SourceProgress::frozen));
  EXPECT_FALSE(has_reached(SourceProgress::converged, SourceProgress::frozen));
  EXPECT_FALSE(has_reached(SourceProgress::released, SourceProgress::frozen))
      << "it trains: what it was frozen at is past";
}

TEST(TransferStates, BeginWithNothingAskedOfAProcessThatTrains) {
  const Transfer transfer{TransferRecord()};
  EXPECT_EQ(transfer.source_progress, SourceProgress::training);
  EXPECT_EQ(transfer.target.progress, ReservationProgress::unasked);
  EXPECT_FALSE(transfer.target.is_silent || transfer.target.polls_long);
}

TEST(TransferStates, HaveADoubtedGrantSaidAgainAndNoOther) {
  TargetContact target;
  target.doubt_grant("m-1");
  EXPECT_EQ(target.progress, ReservationProgress::unasked);
  target.progress.step(ReservationProgress::grant_answered, "m-1");
  target.doubt_grant("m-1");
  EXPECT_EQ(target.progress, ReservationProgress::accepted);
  target.progress.step(ReservationProgress::grant_answered, "m-1");
  target.progress.step(ReservationProgress::dropped, "m-1");
  target.doubt_grant("m-1");
  EXPECT_EQ(target.progress, ReservationProgress::dropped);
}

TEST(TransferStates, MayBeToldTwice) {
  Stepwise<SourceProgress> copy;
  copy.step(SourceProgress::converged, "m-1");
  EXPECT_TRUE(copy.may(SourceProgress::converged));
  copy.step(SourceProgress::converged, "m-1");
  EXPECT_EQ(copy, SourceProgress::converged);
  EXPECT_FALSE(copy.may(SourceProgress::verified)) << "it does not stand yet";
}

TEST(TransferStatesDeathTest, EndAnAgentThatLeavesAStepOut) {
  if (!kHoldsSteps) return test::skip_without("asserts", "the build has NDEBUG");
  Stepwise<SourceProgress> copy;
  EXPECT_DEATH(copy.step(SourceProgress::verified, "m-1"), "may_follow");
  Stepwise<ReservationProgress> progress;
  progress.step(ReservationProgress::dropped, "m-1");
  EXPECT_DEATH(progress.step(ReservationProgress::grant_answered, "m-1"), "may_follow");
}

}  // namespace
}  // namespace cardswap
