/// Method: as the crash matrix, without a held state: the damage comes at a random moment of a
/// migration that is left alone, from planned to after its end, and what must be true afterwards is
/// what the owner's own record says. The seed is printed, and CARDSWAP_CRASH_SEED sets it; the
/// machine's timing is no part of it.

#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>

#include <array>
#include <boost/json.hpp>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "tests/faults/two_host_scenario.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;

constexpr int kMigrationMsMax = 700;  // most migrations here take less

unsigned seed_of(int round) {
  const char* given = std::getenv("CARDSWAP_CRASH_SEED");  // NOLINT(concurrency-mt-unsafe)
  return (given == nullptr ? 1U : static_cast<unsigned>(std::stoul(given))) * 1000U +
         static_cast<unsigned>(round);
}

struct Round {
  int number;
  ArrivalMode arrive;
};
std::ostream& operator<<(std::ostream& out, const Round& round) { return out << round.number; }
std::vector<Round> eight_rounds(ArrivalMode arrive) {
  std::vector<Round> rounds;
  for (int i = 0; i < 8; ++i) rounds.push_back({i, arrive});
  return rounds;
}

class CrashAtARandomTime : public ::testing::TestWithParam<Round> {
 protected:
  void SetUp() override {
    if (by_criu_ && kPatience > 1)
      return skip_without("unsanitized", "no image has a sanitizer's shadow memory");
    ScenarioNeeds needs;
    needs.arena = by_criu_;
    scenario_ = std::make_unique<TwoHostScenario>(needs);
    if (!by_criu_) return;
    const auto tool = a().ask({"devices"}).at("criu").as_object();
    if (!tool.at("usable").as_bool())
      return skip_without("criu", std::string("CRIU: ") + text(tool, "problem"));
  }
  [[nodiscard]] Host& a() { return *scenario_->a; }
  [[nodiscard]] Host& b() { return *scenario_->b; }
  [[nodiscard]] std::string logs() { return a().log() + "----\n" + b().log(); }

  void kill_at_once(Damage damage) {
    // By the agent's word: a process that CRIU brought has the environment of the other host.
    const auto kill_all = [](const Host& host) {
      const auto answer = host.ask({"jobs"});
      for (const auto& item : answer.at("jobs").as_array()) {
        const auto pid = static_cast<int>(number(item.as_object(), "pid"));
        if (pid > 0) ::kill(pid, SIGKILL);
      }
    };
    const bool both = damage == Damage::kill_both_agents;
    if (damage == Damage::kill_source_trainer) kill_all(a());
    if (damage == Damage::kill_standby) kill_all(b());
    if (both || damage == Damage::kill_source_agent) a().kill_agent(SIGKILL);
    if (both || damage == Damage::kill_target_agent) b().kill_agent(SIGKILL);
    if (both || damage == Damage::kill_source_agent) a().start_agent();
    if (both || damage == Damage::kill_target_agent) b().start_agent();
  }

  const bool by_criu_ = GetParam().arrive == ArrivalMode::criu;
  std::unique_ptr<TwoHostScenario> scenario_;
};

TEST_P(CrashAtARandomTime, EndsInTheInvariants) {
  const auto seed = seed_of(GetParam().number);
  std::mt19937 random(seed);
  constexpr std::array kKills{Damage::kill_source_trainer, Damage::kill_standby,
                              Damage::kill_source_agent, Damage::kill_target_agent,
                              Damage::kill_both_agents};
  const auto damage = kKills[random() % kKills.size()];
  const auto after = static_cast<int>(random() % kMigrationMsMax);
  SCOPED_TRACE("CARDSWAP_CRASH_SEED: seed " + std::to_string(seed) + ", " + to_string(damage) +
               " after " + std::to_string(after) + " ms");
  ASSERT_NO_FATAL_FAILURE(scenario_->start_job(false));
  const auto id = text(a().ask({"migrate", "job", "--to", b().at("cpu:0"), "--max-downtime", "none",
                                "--detach", "--arrive", by_criu_ ? "criu" : "standby"}),
                       "id");
  ::poll(nullptr, 0, after);  // the moment is the point: nothing is waited for

  kill_at_once(damage);

  std::string state;
  ASSERT_TRUE(within(40s, [&] {
    state = state_of(a(), id);
    return state == "completed" || state == "aborted";
  })) << logs();
  const bool moved = state == "completed";
  auto& owner = moved ? b() : a();
  auto& other = moved ? a() : b();
  EXPECT_TRUE(within(20s, [&] {
    return by_criu_ ? other.leftovers().empty() : processes_of(other.dir()).empty();
  })) << logs();
  EXPECT_TRUE(within(5s, [&] { return other.leftovers().empty(); })) << other.leftovers();
  EXPECT_TRUE(is_all_free(other, "cpu:0"));
  // A kill of the process that has the job is the end of the job, with its own word for it.
  const bool hit = damage == (moved ? Damage::kill_standby : Damage::kill_source_trainer);
  if (hit && owner.ended_within("job", 2s)) {
    EXPECT_EQ(text(owner.job("job"), "state"), "failed");
    scenario_->expect_undisturbed_start();
    return;
  }
  EXPECT_TRUE(scenario_->steps_again_within(5s)) << logs();
  scenario_->expect_undisturbed_end(owner);
}

std::string name_of(const ::testing::TestParamInfo<Round>& info) {
  return std::to_string(info.param.number);
}
INSTANTIATE_TEST_SUITE_P(All, CrashAtARandomTime,
                         ::testing::ValuesIn(eight_rounds(ArrivalMode::standby)), name_of);
INSTANTIATE_TEST_SUITE_P(ByCriu, CrashAtARandomTime,
                         ::testing::ValuesIn(eight_rounds(ArrivalMode::criu)), name_of);

}  // namespace
}  // namespace cardswap::test
