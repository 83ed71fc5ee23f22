/// Method: as crash_matrix_test, of a job whose process CRIU moves. The migration is held in a
/// phase in which that process, or a copy of it, is somewhere between the hosts; then a process or
/// the link is broken. The trainers' own words judge: every step once, with the losses of an
/// undisturbed run.

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

struct CriuCase {
  Damage damage;
  std::string held;
  Owner owner;
};
std::ostream& operator<<(std::ostream& out, const CriuCase& c) {
  return out << to_string(c.damage) << "_" << c.held;
}

std::vector<CriuCase> cases() {
  std::vector<CriuCase> result;
  for (const auto damage : {Damage::cancel, Damage::kill_source_trainer, Damage::kill_standby,
                            Damage::kill_source_agent, Damage::kill_target_agent,
                            Damage::kill_both_agents, Damage::cut_link}) {
    for (const auto* held : {"departing", "dumping", "shipping", "restoring"}) {
      result.push_back(
          {damage, held, damage == Damage::kill_source_trainer ? Owner::nobody : Owner::source});
    }
    if (damage == Damage::cancel || damage == Damage::cut_link) continue;
    const bool dies_with_agent =
        damage == Damage::kill_target_agent || damage == Damage::kill_both_agents;
    const bool back = dies_with_agent || damage == Damage::kill_standby;
    result.push_back({damage, "committed", back ? Owner::source : Owner::target});
  }
  return result;
}

class CriuCrash : public ::testing::TestWithParam<CriuCase> {
 protected:
  void SetUp() override {
    ScenarioNeeds needs;
    needs.arena = true;
    needs.link = GetParam().damage == Damage::cut_link;
    if (const auto missing = NetnsPair::missing(); needs.link && missing)
      return skip_without("netns", *missing);
    if (kPatience > 1)
      return skip_without("unsanitized", "a sanitizer's shadow memory is no part of an image");
    scenario_ = std::make_unique<TwoHostScenario>(needs);
    const auto tool = a().ask({"devices"}).at("criu").as_object();
    if (!tool.at("usable").as_bool())
      return skip_without("criu", std::string("CRIU: ") + text(tool, "problem"));
  }
  [[nodiscard]] Host& a() const { return *scenario_->a; }
  [[nodiscard]] Host& b() const { return *scenario_->b; }
  [[nodiscard]] std::string logs() const { return a().log() + "----\n" + b().log(); }

  static void kill(const boost::json::object& job) {
    const auto pid = static_cast<int>(number(job, "pid"));
    if (pid > 0) ::kill(pid, SIGKILL);
  }

  void break_it(Damage damage) {
    switch (damage) {
      case Damage::cancel: (void)a().ask({"cancel", id_}); break;
      case Damage::kill_source_trainer: kill(a().job("job")); break;
      case Damage::kill_standby: kill(b().job("job")); break;
      case Damage::kill_source_agent: a().kill_agent(SIGKILL); break;
      case Damage::kill_target_agent: b().kill_agent(SIGKILL); break;
      case Damage::kill_both_agents:
        a().kill_agent(SIGKILL);
        b().kill_agent(SIGKILL);
        break;
      case Damage::cut_link: scenario_->net->cut(); break;
      default: break;
    }
  }

  void mend(Damage damage) {
    const bool both = damage == Damage::kill_both_agents;
    if (both || damage == Damage::kill_source_agent) a().start_agent();
    if (damage == Damage::cut_link) {
      EXPECT_TRUE(scenario_->steps_again_within(8s))
          << logs();  // 3 s until the peer counts as lost
      scenario_->net->heal();
    }
    if (both || damage == Damage::kill_target_agent) b().start_agent();
    const auto m = a().ask({"status", id_});
    if (m.at("held").as_bool()) {
      (void)ask_over_unix(a(), {.method = "POST", .target = "/v1/migrations/" + id_ + "/proceed"});
    }
  }

  std::unique_ptr<TwoHostScenario> scenario_;
  std::string id_;
};

TEST_P(CriuCrash, EndsInTheInvariants) {
  const auto& c = GetParam();
  scenario_->start_job(false);
  id_ = text(a().ask({"migrate", "job", "--to", b().at("cpu:0"), "--arrive", "criu",
                      "--max-downtime", "none", "--detach", "--hold-at", c.held}),
             "id");
  ASSERT_TRUE(within(20s, [&] { return a().ask({"status", id_}).at("held").as_bool(); })) << logs();
  if (c.held == "restoring") {
    ASSERT_TRUE(within(10s, [&] { return b().job("job").at("attached").as_bool(); })) << logs();
  }

  break_it(c.damage);
  mend(c.damage);

  const auto over = [&] {
    const auto state = state_of(a(), id_);
    return state == "aborted" || state == "completed";
  };
  ASSERT_TRUE(within(40s, over)) << logs();
  if (c.owner == Owner::nobody) {
    EXPECT_TRUE(a().ended_within("job", 5s)) << logs();
    scenario_->expect_undisturbed_start();
  } else {
    EXPECT_TRUE(scenario_->steps_again_within(5s)) << logs();
    scenario_->expect_undisturbed_end(c.owner == Owner::source ? a() : b());
  }
  // A restored process has the environment that it left with, so the agents are asked. A target
  // that lost its link while it was verified first waits for the decision.
  const auto& other = c.owner == Owner::target ? a() : b();
  EXPECT_TRUE(within(20s, [&] { return other.leftovers().empty(); }))
      << other.leftovers() << logs();
}

INSTANTIATE_TEST_SUITE_P(All, CriuCrash, ::testing::ValuesIn(cases()), [](const auto& info) {
  return to_string(info.param.damage) + "_" + info.param.held;
});

}  // namespace
}  // namespace cardswap::test
