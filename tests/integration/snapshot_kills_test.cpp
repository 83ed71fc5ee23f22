/// Method: a protected job's trainer is killed at random moments, again and again, and started
/// again by `cardswap run --resume latest`. Its losses and its last digest are those of a run that
/// was never disturbed, steps that were taken twice had the same loss both times, and no kill costs
/// more steps than the interval and those that a snapshot was under way.
///
/// The seed is printed, and CARDSWAP_CRASH_SEED sets it; the machine's timing is no part of it.
/// CARDSWAP_KILLS=100 kills as often: scripts/bench.sh kills does.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "tests/integration/protected_job.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using Clock = std::chrono::steady_clock;

/// How long an agent may take to see that a snapshot is due, and to begin it.
constexpr auto kNoticed = 700ms;

unsigned number_in(const char* name, unsigned otherwise) {
  const char* given = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return given == nullptr ? otherwise : static_cast<unsigned>(std::stoul(given));
}

class KilledJobs : public ProtectedJob {
 protected:
  /// What was known of the job at a moment.
  struct Seen {
    Clock::time_point at;
    std::int64_t step = 0;
    std::string snapshot;  ///< the migration that takes one now; or empty
  };

  void kill_and_resume(unsigned kills, unsigned every, unsigned apart) {
    const auto seed = number_in("CARDSWAP_CRASH_SEED", std::random_device()());
    fmt::print("CARDSWAP_CRASH_SEED={}\n", seed);
    std::mt19937 random(seed);
    protect_every(every);
    ASSERT_TRUE(has_snapshot(1)) << host_.log();
    kept_at_ = logged_step();
    auto from = logged_step();
    for (unsigned i = 0; i < kills; ++i) {
      const auto at = from + 3 + static_cast<std::int64_t>(random() % apart);
      SCOPED_TRACE(fmt::format("seed {}, kill {} at step {}", seed, i + 1, at));
      ASSERT_NO_FATAL_FAILURE(train_to(at));
      ASSERT_NO_FATAL_FAILURE(kill_trainer());
      const auto reached = logged_step();
      ASSERT_NO_FATAL_FAILURE(resume(from));
      EXPECT_LE(reached - std::max({from, protected_at_, kept_at_}), promised(every, reached))
          << host_.log();
      lost_.push_back(reached - from);
      protect_every(every);
    }
    (void)host_.ask({"protect", "job", "--every", "off"});
    expect_the_undisturbed_end();
    EXPECT_EQ(host_.command({"verify", store(), "job"}).exit_code, 0);
    std::ranges::sort(lost_);
    fmt::print("kills {}, steps_lost_median {}, steps_lost_max {}\n", lost_.size(),
               lost_[lost_.size() / 2], lost_.back());
  }

 private:
  /// Who resumes a job protects it again.
  void protect_every(unsigned steps) {
    protect(std::to_string(steps), {"--keep", "last=3", "--grace", "0s"});
    protected_at_ = logged_step();
    kept_at_ = 0;
  }
  void see() {
    Seen now{Clock::now(), logged_step(), {}};
    const auto answer = ask_over_unix(host_, {.target = "/v1/migrations"});
    for (const auto& item : answer.body.at("migrations").as_array()) {
      const auto& one = item.as_object();
      if (one.at("result").is_null() && !text(one, "store").empty()) now.snapshot = text(one, "id");
    }
    const auto before = seen_.empty() ? std::string() : seen_.back().snapshot;
    if (!before.empty() && before != now.snapshot) kept_at_ = now.step;
    seen_.push_back(std::move(now));
  }
  void train_to(std::int64_t step) {
    seen_.clear();
    ASSERT_TRUE(within(60s, [&] {
      see();
      return seen_.back().step >= step;
    })) << host_.log();
  }
  void resume(std::int64_t& from) {
    Words all{"-o", "json", "run", "--name", "job", "--env", "OMP_NUM_THREADS=1"};
    all.insert(all.end(), {"--resume", "latest", "--store", store(), "--"});
    all.insert(all.end(), program_.begin(), program_.end());
    all.insert(all.end(), unlogged_.begin(), unlogged_.end());
    all.insert(all.end(), {"--loss-log", log_.string()});
    const auto back = host_.command(all);
    ASSERT_EQ(back.exit_code, 0) << back.err << host_.log();
    from = static_cast<std::int64_t>(
        number(boost::json::parse(back.out).as_object(), "migrated_at_step"));
    trainer_ = static_cast<int>(number(record_of(host_), "pid"));
  }
  /// The interval, the steps since the snapshot under way was begun, and those that passed unseen.
  [[nodiscard]] std::int64_t promised(unsigned every, std::int64_t reached) const {
    const auto& last = seen_.back();
    auto begun = reached;
    for (auto seen = seen_.rbegin(); seen != seen_.rend(); ++seen) {
      if (last.snapshot.empty() || seen->snapshot != last.snapshot) break;
      begun = seen->step;
    }
    auto noticed = begun;
    for (const auto& seen : seen_) {
      if (last.at - seen.at <= kNoticed) noticed = std::min(noticed, seen.step);
    }
    return every + (reached - begun) + (begun - noticed) + (reached - last.step);
  }

 protected:
  Words unlogged_;

 private:
  std::int64_t protected_at_ = 0;
  std::int64_t kept_at_ =
      0;  ///< the step at which the latest snapshot had been kept; 0: none was seen
  std::vector<Seen> seen_;
  std::vector<std::int64_t> lost_;
};

TEST_F(KilledJobs, GoOnFromTheLatestSnapshotBitForBit) {
  const auto kills = number_in("CARDSWAP_KILLS", 5);
  constexpr unsigned kApart = 60;
  start({}, std::to_string(kills * kApart + 60));
  unlogged_ = {"--step-ms", "10"};
  kill_and_resume(kills, 20, kApart);
}

/// A model, its optimizer and its generators.
TEST_F(KilledJobs, GoOnAsTheGptThatTheyWere) {
  if (!std::filesystem::exists(trainer("gpt"))) {
    return skip_without("torch", "built without LibTorch");
  }
  const auto kills = std::max(number_in("CARDSWAP_KILLS", 2) / 5, 2U);
  constexpr unsigned kApart = 300;
  start_program(
      {trainer("gpt"), "--text", LICENSE_FILE, "--layers", "1", "--width", "32", "--context", "16",
       "--batch", "4", "--steps", std::to_string(kills * kApart + 600)},
      {});
  kill_and_resume(kills, 100, kApart);
}

}  // namespace
}  // namespace cardswap::test
