#include "agent/handover/target/reservation_list.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/handover/target/reservation_cancel.h"
#include "agent/handover/target/reservations.h"
#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

using handover::TargetState;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ReservationRecord record_of(const std::string& migration, TargetState state,
                            const std::string& owner = {}) {
  ReservationRecord r;
  r.migration = migration;
  r.instance = "i-" + migration;
  r.job = "gpt";
  r.from = "gpu-a/cuda:0";
  r.owner = owner;
  r.side = handover::TargetSide({state, 2, {}});
  r.ended_at_ms = 5;
  return r;
}

Reservation place(const std::string& migration, TargetState state, const std::string& owner = {}) {
  return Reservation(record_of(migration, state, owner));
}

class ReservationListTest : public ::testing::Test {
 protected:
  ReservationListTest() { config_.host_name = "gpu-b"; }

  const test::TempDir dir_;
  asio::io_context context_;
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  std::string in_use_;
  std::vector<std::string> forgotten_;
  ReservationList list_{
      config_,
      journal_,
      {.is_in_use = [this](const Reservation& r) { return r.migration() == in_use_; },
       .forgetting = [this](const Reservation& r) { forgotten_.push_back(r.migration()); }}};
};

TEST_F(ReservationListTest, HasNothingForTheCertificateOfAnotherThanItsOwner) {
  auto& r = list_.add(place("m-1", TargetState::parked, "gpu-a"));
  Caller owner;
  owner.name = "gpu-a";
  Caller other;
  other.name = "gpu-c";
  EXPECT_EQ(&list_.at("m-1", owner), &r);
  try {
    (void)list_.at("m-1", other);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::not_found);
    EXPECT_EQ(error.failure(), "gpu-b holds nothing for migration m-1");
  }
  other.owner = true;  // of the agent
  EXPECT_EQ(&list_.at("m-1", other), &r);
}

TEST_F(ReservationListTest, ForgetsNoneThatIsNotOverOrInUse) {
  list_.add(place("m-1", TargetState::failed));
  list_.add(place("m-2", TargetState::verified));
  list_.add(place("m-3", TargetState::completed));
  in_use_ = "m-3";
  list_.forget_old();
  EXPECT_THAT(forgotten_, ElementsAre("m-1"));
  in_use_.clear();
  list_.forget_old();
  EXPECT_THAT(forgotten_, ElementsAre("m-1", "m-3"));
  EXPECT_TRUE(list_.has("m-2"));
}

TEST_F(ReservationListTest, FindsWhatBroughtAProcessUntilThatIsForgotten) {
  Job job;
  auto& instance = job.instances.emplace_back(job, InstanceRecord{.id = "i-new"});
  auto record = record_of("m-1", TargetState::failed);
  record.instance.clear();
  auto& r = list_.add(Reservation(std::move(record)));
  EXPECT_EQ(list_.find(instance), nullptr) << "its standby is to be made";
  list_.set_instance(r, "i-new");
  EXPECT_EQ(list_.find(instance), &r);
  list_.forget_old();
  EXPECT_EQ(list_.find(instance), nullptr);
  EXPECT_FALSE(list_.has("m-1"));

  auto& taken_back = list_.add(place("m-2", TargetState::parked));
  list_.set_instance(taken_back, "i-new");
  list_.add(place("m-3", TargetState::parked));  // by somebody else, meanwhile
  list_.remove(taken_back);
  EXPECT_EQ(list_.find(instance), nullptr);
  EXPECT_FALSE(list_.has("m-2"));
  EXPECT_TRUE(list_.has("m-3"));
}

TEST_F(ReservationListTest, PutsARecordAsideWhoseStateCannotBeRead) {
  auto spoilt = to_journal(record_of("m-1", TargetState::granted));
  spoilt["state"] = "grantd";
  journal_.put(Journal::Kind::reservation, "m-1", spoilt);
  journal_.put(Journal::Kind::reservation, "m-2",
               to_journal(record_of("m-2", TargetState::granted)));
  list_.load();
  EXPECT_THROW((void)list_.at("m-1"), Error) << "its source hears that nothing is known";
  EXPECT_TRUE(list_.at("m-2").is_granted());
  EXPECT_THAT(journal_.warnings(),
              ElementsAre(AllOf(HasSubstr("reservation m-1"), HasSubstr("its state"))));
}

TEST(MayRestart, IsSaidOfWhatBelongsHereForSure) {
  Job job;
  auto& instance = job.instances.emplace_back(job);
  EXPECT_TRUE(may_restart(instance, nullptr)) << "it began here";
  JobList::note(instance, [](InstanceRecord& record) { record.came_from = "gpu-a/cuda:0"; });
  EXPECT_FALSE(may_restart(instance, nullptr)) << "what it came by cannot be read";
  const auto granted = place("m-1", TargetState::granted);
  EXPECT_FALSE(may_restart(instance, &granted)) << "its source may take it back";
  const auto completed = place("m-1", TargetState::completed);
  EXPECT_TRUE(may_restart(instance, &completed));
  job.newer_epoch = 9;
  EXPECT_FALSE(may_restart(instance, &completed));
}

TEST_F(ReservationListTest, SaysAnewThatSomethingHasChanged) {
  auto& r = list_.add(place("m-1", TargetState::parked));
  const auto before = r.record().version;
  list_.touch(r);
  EXPECT_GT(r.record().version, before);
}

/// What `cancel` of a place says where it is too late, and nothing where it is not.
std::string why_not_cancelled(TargetState state) {
  try {
    check_cancel(place("m-1", state), "gpu-b");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::conflict);
    EXPECT_FALSE(error.hint().empty());
    return error.failure();
  }
  return {};
}

TEST(PlaceCancel, IsForPlacesWhoseSourceCannotHaveDecided) {
  for (const auto state : {TargetState::reserved, TargetState::starting, TargetState::parked}) {
    EXPECT_EQ(why_not_cancelled(state), "") << to_string(state);
  }
  EXPECT_THAT(why_not_cancelled(TargetState::verified), HasSubstr("may have given it the job"));
  EXPECT_THAT(why_not_cancelled(TargetState::granted), HasSubstr("was granted to gpu-b"));
  EXPECT_THAT(why_not_cancelled(TargetState::completed), HasSubstr("was granted to gpu-b"));
  EXPECT_THAT(why_not_cancelled(TargetState::failed), HasSubstr("there is nothing to cancel"));
  for (const auto state : {TargetState::superseded, TargetState::stored, TargetState::stopping,
                           TargetState::nothing}) {
    EXPECT_THAT(why_not_cancelled(state), HasSubstr("there is nothing to cancel"))
        << to_string(state);
  }
}

TEST(Keeper, IsGivenUpWhenItIsSilentWhileItWrites) {
  const auto begun = std::chrono::steady_clock::now();
  const auto silent = [&](TargetState state, const std::string& store) {
    ReservationRecord record;
    record.migration = "m-1";
    record.store = store;
    record.side = handover::TargetSide({state, 2, {}});
    Reservation r(std::move(record));
    r.keeper_heard_at = begun;
    EXPECT_FALSE(is_keeper_silent(r, begun + kKeeperSilenceMax));
    return is_keeper_silent(r, begun + kKeeperSilenceMax + std::chrono::seconds(1));
  };
  EXPECT_TRUE(silent(TargetState::verified, "file:/s"));
  EXPECT_FALSE(silent(TargetState::stored, "file:/s")) << "it has ended";
  EXPECT_FALSE(silent(TargetState::parked, "file:/s")) << "its source is watched";
  EXPECT_FALSE(silent(TargetState::verified, "")) << "a standby has nothing to write";
}

}  // namespace
}  // namespace cardswap
