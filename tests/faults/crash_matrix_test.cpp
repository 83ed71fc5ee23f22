/// Method: bring a migration into a named state and keep it there, do the damage to real processes,
/// links and disks, then judge by what the trainers themselves wrote: every step exactly once, with
/// the losses and the final state of an undisturbed run (invariants 1, 2 and 5); no pause of more
/// than 5 s before the commit (3); nobody guesses, so what is in doubt ends by healing, a restart
/// or the operator's word (4); nothing is left on the side that does not have the job (3 and 6).
///
/// `preparing` is kept by a standby that does not reach its program, `resumed` by a trainer that
/// does not begin its next step, the others by a failpoint. All of it holds for a job whose program
/// is started at the target, and for one whose process CRIU brings there.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>

#include "tests/faults/two_host_scenario.h"
#include "tests/support/http.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using handover::SourceState;
using Clock = std::chrono::steady_clock;

constexpr double kBackMs = 5000;

class CrashMatrix : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    ScenarioNeeds needs;
    needs.link = damage_ == Damage::cut_link || damage_ == Damage::cut_and_heal_link;
    needs.source_disk = damage_ == Damage::fill_source_disk;
    needs.target_disk = damage_ == Damage::fill_target_disk;
    if (needs.link) {
      if (const auto missing = NetnsPair::missing()) return skip_without("netns", *missing);
    }
    if (needs.source_disk || needs.target_disk) {
      if (const auto missing = SmallDisk::missing()) return skip_without("root", *missing);
    }
    needs.arena = by_criu_;
    needs.ignores_moved = GetParam().ignores_moved;
    if (by_criu_ && kPatience > 1)
      return skip_without("unsanitized", "no image has a sanitizer's shadow memory");
    scenario_ = std::make_unique<TwoHostScenario>(needs);
    if (!by_criu_) return;
    const auto tool = a().ask({"devices"}).at("criu").as_object();
    if (!tool.at("usable").as_bool())
      return skip_without("criu", std::string("CRIU: ") + text(tool, "problem"));
  }

  [[nodiscard]] Host& a() const { return *scenario_->a; }
  [[nodiscard]] Host& b() const { return *scenario_->b; }
  [[nodiscard]] bool is_at(SourceState state) const { return GetParam().held.state == state; }
  [[nodiscard]] std::string logs() const { return a().log() + "----\n" + b().log(); }
  [[nodiscard]] bool comes_to(const std::string& state) const {
    return within(25s, [&] { return state_of(a(), id_) == state; });
  }

  void proceed() const {
    const auto answer =
        ask_over_unix(a(), {.method = "POST", .target = "/v1/migrations/" + id_ + "/proceed"});
    EXPECT_EQ(answer.status, 200U) << answer.content;
  }

  void migrate_into_state() {
    const bool by_standby = is_at(SourceState::preparing);
    std::vector<std::string> arguments{"migrate",        "job",  "--to",    b().at("cpu:0"),
                                       "--max-downtime", "none", "--detach"};
    if (by_criu_) arguments.insert(arguments.end(), {"--arrive", "criu"});
    if (!by_standby) {
      const auto hold =
          is_at(SourceState::resumed) ? SourceState::committed : GetParam().held.state;
      arguments.insert(arguments.end(), {"--hold-at", std::string(handover::to_string(hold))});
    }
    id_ = text(a().ask(arguments), "id");
    ASSERT_TRUE(within(20s, [&] {
      const auto m = a().ask({"status", id_});
      return by_standby ? text(m, "state") == "preparing" : m.at("held").as_bool();
    })) << logs();
    ASSERT_TRUE(within(5s, [&] { return job_processes_of(b()).size() == 1; })) << logs();
    if (is_at(SourceState::resumed)) {
      scenario_->hold_trainers();
      proceed();
      ASSERT_TRUE(comes_to("resumed")) << logs();
    }
    EXPECT_EQ(state_of(a(), id_), handover::to_string(GetParam().held.state));
    // The source waits there for the target's word, which a cut link would keep back. Where CRIU
    // brings the process, it is not yet on its way.
    if (is_at(SourceState::verifying) && damage_ == Damage::cut_link && !by_criu_) {
      const auto verified = "migration " + id_ + " here: verified";
      ASSERT_TRUE(within(10s, [&] { return b().log().find(verified) != std::string::npos; }))
          << logs();
    }
  }

  /// What kept the state keeps it no more.
  void let_it_go_on() const {
    if (is_at(SourceState::preparing)) {
      scenario_->open_standby_gate();
    } else if (is_at(SourceState::resumed)) {
      scenario_->let_trainers_go();
    } else {
      proceed();
    }
  }

  /// By their environment; a process that CRIU brought has the one that it left with, so there the
  /// agent is asked.
  [[nodiscard]] std::vector<int> job_processes_of(const Host& host) const {
    if (!by_criu_) return processes_of(host.dir());
    const auto pid = static_cast<int>(number(host.job("job"), "pid"));
    return pid > 0 ? std::vector{pid} : std::vector<int>{};
  }

  void kill_processes_of(const Host& host) const {
    const auto processes = job_processes_of(host);
    EXPECT_FALSE(processes.empty());
    for (const int pid : processes) ::kill(pid, SIGKILL);
  }

  void do_damage() {
    switch (damage_) {
      case Damage::cancel: (void)a().ask({"cancel", id_}); return;
      case Damage::kill_source_trainer: kill_processes_of(a()); return;
      case Damage::kill_standby: kill_processes_of(b()); return;
      case Damage::kill_source_agent: a().kill_agent(SIGKILL); return;
      case Damage::kill_target_agent: b().kill_agent(SIGKILL); return;
      case Damage::kill_both_agents:
        a().kill_agent(SIGKILL);
        b().kill_agent(SIGKILL);
        return;
      case Damage::restart_both_agents: a().kill_agent(SIGKILL); [[fallthrough]];
      case Damage::restart_target_agent:
        b().kill_agent(SIGKILL);
        b().start_agent();
        if (damage_ == Damage::restart_both_agents) a().start_agent();
        return;
      case Damage::cut_link: scenario_->net->cut(); return;
      case Damage::cut_and_heal_link:
        scenario_->net->cut();
        if (GetParam().before_commit()) scenario_->net->heal();
        return;
      case Damage::fill_source_disk: scenario_->a_disk->fill(); return;
      case Damage::fill_target_disk: scenario_->b_disk->fill(); return;
    }
  }

  // ---- how it ends

  void expect_end_before_commit(Clock::time_point damaged) {
    const bool source_was_killed =
        damage_ == Damage::kill_source_agent || damage_ == Damage::kill_both_agents;
    if (source_was_killed) a().start_agent();
    // Damage that is seen only when the migration goes on.
    const bool is_hidden = damage_ == Damage::fill_source_disk ||
                           damage_ == Damage::fill_target_disk ||
                           damage_ == Damage::cut_and_heal_link;
    if (is_hidden) let_it_go_on();
    if (GetParam().owner() == Owner::either) {
      wait_for_either_end();
      if (state_of(a(), id_) == "completed") return;
    }
    EXPECT_TRUE(comes_to("aborted")) << logs();
    if (GetParam().owner() == Owner::nobody) {
      EXPECT_TRUE(within(5s, [&] { return text(a().job("job"), "state") == "failed"; })) << logs();
    } else {
      EXPECT_TRUE(scenario_->steps_again_within(5s)) << logs();
      EXPECT_LT(scenario_->longest_pause_ms(damaged), kBackMs * kPatience);
    }
    if (damage_ == Damage::cut_link) expect_target_to_give_up_or_to_ask();
    // Without help: a killed agent comes back only after its standby is gone.
    EXPECT_TRUE(within(20s, [&] { return processes_of(b().dir()).empty(); })) << logs();
    if (damage_ == Damage::kill_target_agent || damage_ == Damage::kill_both_agents) {
      b().start_agent();
    }
    if (scenario_->b_disk) scenario_->b_disk->empty();
    if (!scenario_->a_disk) return;
    // What the full disk did not take is found again: the decision stays the same.
    scenario_->a_disk->empty();
    a().kill_agent(SIGKILL);
    a().start_agent();
    EXPECT_TRUE(comes_to("aborted")) << logs();
    EXPECT_TRUE(scenario_->steps_again_within(5s)) << logs();
  }

  void wait_for_either_end() const {
    EXPECT_TRUE(within(25s, [&] {
      const auto state = state_of(a(), id_);
      if (state == "in_doubt" && scenario_->b_disk) scenario_->b_disk->empty();
      return state == "aborted" || state == "completed";
    })) << logs();
  }

  /// Once the target holds the whole state and hears nobody the decision may have been made: it
  /// does not guess. Held at `freezing` it may or may not be so far.
  void expect_target_to_give_up_or_to_ask() {
    const auto in_doubt = [&] { return b().log().find(id_ + " is in doubt") != std::string::npos; };
    const auto standbys = [&] { return job_processes_of(b()).size(); };
    EXPECT_TRUE(within(20s, [&] { return in_doubt() || standbys() == 0; })) << logs();
    EXPECT_TRUE(in_doubt() || by_criu_ || !is_at(SourceState::verifying));
    if (!in_doubt()) return;
    EXPECT_EQ(standbys(), 1U);
    scenario_->net->heal();
  }

  void expect_end_after_commit() {
    switch (damage_) {
      case Damage::kill_source_agent:
        a().start_agent();
        if (is_at(SourceState::resumed))
          let_it_go_on();  // else it begins anew without the failpoint
        break;
      case Damage::kill_target_agent:
        let_it_go_on();
        EXPECT_TRUE(comes_to("in_doubt")) << logs();
        b().start_agent();
        break;
      case Damage::kill_both_agents:
        if (is_at(SourceState::resumed)) let_it_go_on();
        a().start_agent();
        b().start_agent();
        break;
      case Damage::restart_both_agents:
        if (is_at(SourceState::resumed))
          let_it_go_on();  // else it begins anew without the failpoint
        break;
      case Damage::cut_link: end_by_the_operators_word(); break;
      case Damage::cut_and_heal_link:
        let_it_go_on();
        EXPECT_TRUE(comes_to("in_doubt")) << logs();
        scenario_->net->heal();
        break;
      case Damage::fill_source_disk: expect_target_to_train_while_the_source_cannot_write(); break;
      case Damage::fill_target_disk: expect_target_to_wait_for_its_disk(); break;
      default: let_it_go_on();
    }
    const bool source = GetParam().owner() == Owner::source;
    EXPECT_TRUE(comes_to(source ? "aborted" : "completed")) << logs();
    EXPECT_TRUE(scenario_->steps_again_within(5s)) << logs();
  }

  void end_by_the_operators_word() {
    const auto trained = scenario_->steps();
    let_it_go_on();
    EXPECT_TRUE(comes_to("in_doubt")) << logs();
    if (GetParam().owner() == Owner::target) {
      EXPECT_TRUE(scenario_->steps_again_within(5s)) << logs();
      EXPECT_EQ(a().command({"resolve", id_, "--force", "target", "--yes"}).exit_code, 0);
      return;
    }
    EXPECT_EQ(scenario_->steps(), trained) << "it stepped while nobody knew who owns it";
    EXPECT_EQ(b().command({"resolve", id_, "--force", "source", "--yes"}).exit_code, 0);
    EXPECT_EQ(a().command({"resolve", id_, "--force", "source", "--yes"}).exit_code, 0);
  }

  void expect_target_to_train_while_the_source_cannot_write() {
    // Enough of them for the source to hear of it more than once.
    const auto wanted = scenario_->steps() + 300;
    let_it_go_on();
    EXPECT_TRUE(within(15s, [&] { return scenario_->steps() >= wanted; })) << logs();
    EXPECT_EQ(state_of(a(), id_), handover::to_string(GetParam().held.state));
    scenario_->a_disk->empty();
  }

  void expect_target_to_wait_for_its_disk() {
    const auto trained = scenario_->steps();
    let_it_go_on();
    // Not the grant, nor the first step, is on that disk: no step may follow.
    if (is_at(SourceState::committed)) {
      EXPECT_TRUE(comes_to("in_doubt")) << logs();
      EXPECT_EQ(scenario_->steps(), trained);
    } else {
      EXPECT_TRUE(within(10s, [&] {
        return b().log().find("write the journal") != std::string::npos ||
               scenario_->steps() == trained + 1;
      })) << logs();
      EXPECT_FALSE(scenario_->steps_again_within(1s))
          << "a second step without a record of the first";
    }
    scenario_->b_disk->empty();
  }

  void expect_nothing_left_at(const Host& host) const {
    const auto has_none = [&] {
      return by_criu_ ? host.leftovers().empty() : processes_of(host.dir()).empty();
    };
    EXPECT_TRUE(within(20s, has_none)) << logs();
    EXPECT_TRUE(within(5s, [&] { return host.leftovers().empty(); })) << host.leftovers();
    EXPECT_TRUE(is_all_free(host, "cpu:0"));
  }

  const Damage damage_ = GetParam().damage;
  const bool by_criu_ = GetParam().arrive == ArrivalMode::criu;
  std::unique_ptr<TwoHostScenario> scenario_;
  std::string id_;
};

TEST_P(CrashMatrix, EndsInTheInvariants) {
  ASSERT_NO_FATAL_FAILURE(scenario_->start_job(is_at(SourceState::preparing)));
  ASSERT_NO_FATAL_FAILURE(migrate_into_state());

  const auto damaged = Clock::now();
  do_damage();

  if (GetParam().before_commit()) {
    expect_end_before_commit(damaged);
  } else {
    expect_end_after_commit();
  }
  if (GetParam().owner() == Owner::nobody) {
    expect_nothing_left_at(a());
    expect_nothing_left_at(b());
    scenario_->expect_undisturbed_start();
    return;
  }
  const bool moved = state_of(a(), id_) == "completed";
  expect_nothing_left_at(moved ? a() : b());
  scenario_->expect_undisturbed_end(moved ? b() : a());
  expect_nothing_left_at(moved ? b() : a());
}

INSTANTIATE_TEST_SUITE_P(All, CrashMatrix, ::testing::ValuesIn(all_cases()),
                         [](const auto& info) { return to_string(info.param); });

INSTANTIATE_TEST_SUITE_P(ByCriu, CrashMatrix, ::testing::ValuesIn(all_cases(ArrivalMode::criu)),
                         [](const auto& info) { return to_string(info.param); });

TEST(Cases, AreEnough) { EXPECT_GE(all_cases().size(), 60U); }

}  // namespace
}  // namespace cardswap::test
