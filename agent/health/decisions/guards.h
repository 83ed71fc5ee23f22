#pragma once

#include <boost/json/object.hpp>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "agent/health/decisions/policy.h"

namespace cardswap::health {

/// Limits of automatic moves: their budget, their rate, cool-downs and the circuit breaker. Pure;
/// the caller brings the time.
class Guards {
 public:
  explicit Guards(const Policy& policy) : policy_(policy) {}

  /// Why no move may start now; empty: a move may start.
  [[nodiscard]] std::string holds(Ms now) const;
  void started(const std::string& job_uid, Ms now);
  void ended(const std::string& job_uid, bool moved, Ms now);
  /// Ends a move that found no target: it counts as never started.
  void not_started(const std::string& job_uid);
  [[nodiscard]] bool is_moving(const std::string& job_uid) const {
    return running_.contains(job_uid);
  }
  [[nodiscard]] std::size_t running() const { return running_.size(); }
  [[nodiscard]] std::size_t last_hour(Ms now) const;

  /// When the job may move again for a fault that can wait.
  [[nodiscard]] Ms job_free_at(const std::string& job_uid, Ms arrived) const;
  void device_resolved(const std::string& device, Ms now);
  [[nodiscard]] Ms device_free_at(const std::string& device) const;

  /// `sick`: the devices among `all` that jobs should leave, as (device, since when). Returns the
  /// reason when the breaker opens, once.
  std::string judge_breaker(const std::map<std::string, Ms>& sick, std::size_t all, Ms now);
  [[nodiscard]] bool is_breaker_open(Ms now) const { return now < open_until_; }
  void close(Ms now);
  [[nodiscard]] Ms opened_at() const { return opened_at_; }
  [[nodiscard]] Ms open_until() const { return open_until_; }
  [[nodiscard]] const std::string& why_open() const { return why_open_; }

  /// The guards for the journal: a restart of the agent does not renew a budget.
  [[nodiscard]] boost::json::object record() const;
  /// Loads a record() of a former agent; skips other records. A time after `now` (the clock was set
  /// back) counts as now.
  void restore(const boost::json::object& record, Ms now);
  /// Jobs whose moves run: after a restart the monitor must follow these.
  [[nodiscard]] std::vector<std::string> moving_jobs() const;
  /// Forgets a move whose end nobody knows: it counts as neither moved nor failed.
  void forget(const std::string& job_uid) { running_.erase(job_uid); }

 private:
  const Policy& policy_;
  std::map<std::string, Ms> running_;
  std::deque<Ms> starts_;
  std::deque<Ms> failures_;
  std::map<std::string, Ms> job_moved_;
  std::map<std::string, Ms> device_resolved_;
  Ms opened_at_ = 0;
  Ms open_until_ = 0;
  Ms counted_from_ = 0;  ///< events before the breaker was closed do not open it again
  std::string why_open_;
};

}  // namespace cardswap::health
