#pragma once

#include <algorithm>

#include "tests/integration/protected_job.h"

namespace cardswap::test {

/// A protected job that its agent starts again when it fails.
class RecoveringJob : public ProtectedJob {
 protected:
  /// As start(), with `--restart on-failure`.
  void start_restarting(const std::string& steps) {
    program_ = {trainer("plain_memory"), "--bytes", kBytes, "--steps", steps};
    run_restarting({});
    ASSERT_TRUE(within(30s, [&] { return host_.step_of("job") >= 5; })) << host_.log();
    trainer_ = static_cast<int>(number(host_.job("job"), "pid"));
  }
  void run_restarting(const Words& more) const {
    Words all{"run", "--name", "job", "--env", "OMP_NUM_THREADS=1", "--restart", "on-failure"};
    all.insert(all.end(), more.begin(), more.end());
    all.emplace_back("--");
    all.insert(all.end(), program_.begin(), program_.end());
    all.insert(all.end(), {"--step-ms", "10", "--loss-log", log_.string()});
    (void)host_.ask(all);
  }
  [[nodiscard]] static boost::json::object recovery_in(const boost::json::object& job) {
    const auto* value = job.if_contains("recovery");
    return value != nullptr && value->is_object() ? value->get_object() : boost::json::object();
  }
  [[nodiscard]] static boost::json::object recovery_of(const Host& host) {
    return recovery_in(record_of(host));
  }
  [[nodiscard]] bool has_recovered_now(int times) const {
    return number(recovery_of(host_), "recovered") >= times;
  }
  [[nodiscard]] bool has_recovered(int times) const {
    return within(60s, [&] { return has_recovered_now(times); });
  }
  /// Whether it takes steps, of which the first is on its agent's disk: what ends before that had
  /// not quite arrived.
  [[nodiscard]] bool takes_steps() const {
    const auto lines = [this] {
      const auto all = read_file(log_.string());
      return std::ranges::count(all, '\n');
    };
    const auto before = lines();
    return within(20s, [&] { return lines() >= before + 5; });
  }
  [[nodiscard]] bool has_given_up() const {
    const auto job = record_of(host_);  // one look: between two it may fail, and be recovered
    const auto recovery = recovery_in(job);
    const auto* pending = recovery.if_contains("pending");
    return text(job, "state") == "failed" && pending != nullptr && !pending->as_bool();
  }
  /// Takes two snapshots of a job that is protected, and takes no other by itself.
  [[nodiscard]] boost::json::object first_of_two_snapshots() const {
    protect("1h", {"--keep", "all"});
    EXPECT_TRUE(has_snapshot(1)) << host_.log();
    auto first = snapshot();
    (void)snapshot();
    return first;
  }
  void damage_newest_pack() const {
    ASSERT_FALSE(packs().empty());
    damage(packs().back());
  }
};

}  // namespace cardswap::test
