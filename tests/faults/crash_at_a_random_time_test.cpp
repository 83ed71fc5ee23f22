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
#include <random>

#include "tests/faults/scene.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;

constexpr int kMigrationMsMost = 700;  // most migrations here take less

unsigned seed_of(int round) {
  const char* given = std::getenv("CARDSWAP_CRASH_SEED");  // NOLINT(concurrency-mt-unsafe)
  return (given == nullptr ? 1U : static_cast<unsigned>(std::stoul(given))) * 1000U +
         static_cast<unsigned>(round);
}

class CrashAtARandomTime : public ::testing::TestWithParam<int> {
 protected:
  [[nodiscard]] Host& a() { return *scene_.a; }
  [[nodiscard]] Host& b() { return *scene_.b; }
  [[nodiscard]] std::string logs() { return a().log() + "----\n" + b().log(); }

  void kill_at_once(Damage damage) {
    const auto kill_all = [](const Host& host) {
      for (const int pid : processes_of(host.dir())) ::kill(pid, SIGKILL);
    };
    const bool both = damage == Damage::kill_both_agents;
    if (damage == Damage::kill_source_trainer) kill_all(a());
    if (damage == Damage::kill_standby) kill_all(b());
    if (both || damage == Damage::kill_source_agent) a().kill_agent(SIGKILL);
    if (both || damage == Damage::kill_target_agent) b().kill_agent(SIGKILL);
    if (both || damage == Damage::kill_source_agent) a().start_agent();
    if (both || damage == Damage::kill_target_agent) b().start_agent();
  }

  Scene scene_{SceneNeeds{}};
};

TEST_P(CrashAtARandomTime, EndsInTheInvariants) {
  const auto seed = seed_of(GetParam());
  std::mt19937 random(seed);
  constexpr std::array kKills{Damage::kill_source_trainer, Damage::kill_standby,
                              Damage::kill_source_agent, Damage::kill_target_agent,
                              Damage::kill_both_agents};
  const auto damage = kKills[random() % kKills.size()];
  const auto after = static_cast<int>(random() % kMigrationMsMost);
  SCOPED_TRACE("CARDSWAP_CRASH_SEED: seed " + std::to_string(seed) + ", " + to_string(damage) +
               " after " + std::to_string(after) + " ms");
  ASSERT_NO_FATAL_FAILURE(scene_.start_job(false));
  const auto id = text(
      a().ask({"migrate", "job", "--to", b().at("cpu:0"), "--max-downtime", "none", "--detach"}),
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
  EXPECT_TRUE(within(20s, [&] { return processes_of(other.dir()).empty(); })) << logs();
  EXPECT_TRUE(within(5s, [&] { return other.leftovers().empty(); })) << other.leftovers();
  EXPECT_TRUE(is_all_free(other, "cpu:0"));
  // A kill of the process that has the job is the end of the job, with its own word for it.
  const bool hit = damage == (moved ? Damage::kill_standby : Damage::kill_source_trainer);
  if (hit && owner.ended_within("job", 2s)) {
    EXPECT_EQ(text(owner.job("job"), "state"), "failed");
    scene_.expect_undisturbed_start();
    return;
  }
  EXPECT_TRUE(scene_.steps_again_within(5s)) << logs();
  scene_.expect_undisturbed_end(owner);
}

INSTANTIATE_TEST_SUITE_P(All, CrashAtARandomTime, ::testing::Range(0, 8));

}  // namespace
}  // namespace cardswap::test
