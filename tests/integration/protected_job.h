#pragma once

#include "tests/integration/snapshot_job.h"

namespace cardswap::test {

/// A job whose agent takes snapshots of it by itself.
class ProtectedJob : public SnapshotJob {
 protected:
  static constexpr const char* kMany = "3000";  // steps: no test waits for its end

  void protect(const std::string& every, const Words& more = {}, const std::string& to = {}) const {
    Words all{"protect", "job", "--every", every, "--to", to.empty() ? store() : to};
    all.insert(all.end(), more.begin(), more.end());
    (void)host_.ask(all);
  }
  /// The job that trains, and not a keeper, which has its name.
  [[nodiscard]] static boost::json::object record_of(const Host& host) {
    return ask_over_unix(host, {.target = "/v1/jobs/job"}).body;
  }
  [[nodiscard]] static boost::json::object protection_of(const Host& host) {
    const auto job = record_of(host);
    const auto* value = job.if_contains("protection");
    return value != nullptr && value->is_object() ? value->get_object() : boost::json::object();
  }
  /// The number of the last snapshot that the job's protection knows of; 0: it knows of none.
  [[nodiscard]] static std::int64_t last_number(const Host& host) {
    const auto protection = protection_of(host);
    const auto* last = protection.if_contains("last");
    if (last == nullptr || !last->is_object()) return 0;
    return static_cast<std::int64_t>(number(last->get_object(), "snapshot"));
  }
  [[nodiscard]] bool has_snapshot(std::int64_t wanted) const {
    return within(60s, [&] { return last_number(host_) >= wanted; });
  }
  [[nodiscard]] double failures() const {
    return number(protection_of(host_), "failures_in_a_row");
  }
  /// Why the last try has failed; empty: it has not.
  [[nodiscard]] std::string failure() const {
    const auto protection = protection_of(host_);
    const auto* error = protection.if_contains("error");
    if (error == nullptr || !error->is_object()) return {};
    return text(error->get_object(), "failure");
  }
  [[nodiscard]] bool has_event(const std::string& kind) const {
    return within(10s, [&] {
      return boost::json::serialize(host_.ask({"events"})).find("\"" + kind + "\"") !=
             std::string::npos;
    });
  }
  /// The step that the trainer has logged last.
  [[nodiscard]] std::int64_t logged_step() const {
    std::int64_t step = 0;
    std::istringstream lines(read_file(log_.string()));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("step ")) step = std::stoll(line.substr(5));
    }
    return step;
  }
  void kill_trainer() const {
    ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
    ASSERT_TRUE(within(30s, [&] {
      return text(record_of(host_), "state") == "failed" && host_.leftovers().empty();
    })) << host_.log();
  }
  void expect_the_undisturbed_end() const {
    ASSERT_TRUE(within(60s, [&] { return text(record_of(host_), "state") == "ended"; }))
        << host_.log();
    EXPECT_EQ(told(losses(log_)), told(undisturbed(program_)));
  }
  void end_protection() const {
    (void)host_.ask({"protect", "job", "--every", "off"});
    ASSERT_TRUE(within(30s, [&] { return host_.leftovers().empty(); })) << host_.leftovers();
  }
};

}  // namespace cardswap::test
