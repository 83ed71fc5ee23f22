#pragma once

#include <boost/json/object.hpp>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "agent/health/policy.h"

namespace cardswap::health {

/// What keeps automation from doing harm: the budget of moves, their rate, the cool-downs and the
/// circuit breaker. Pure; times come from the caller.
class Guards {
 public:
  explicit Guards(const Policy& policy) : policy_(policy) {}

  /// Why no move may start now; empty: one may.
  [[nodiscard]] std::string holds(Ms now) const;
  void started(const std::string& job_uid, Ms now);
  void ended(const std::string& job_uid, bool moved, Ms now);
  /// It had no place to go to: as if it had never started.
  void not_started(const std::string& job_uid);
  [[nodiscard]] bool moving(const std::string& job_uid) const { return running_.contains(job_uid); }
  [[nodiscard]] std::size_t running() const { return running_.size(); }
  [[nodiscard]] std::size_t last_hour(Ms now) const;

  /// When the job may be moved again for something that can wait.
  [[nodiscard]] Ms job_free_at(const std::string& job_uid, Ms arrived) const;
  void device_resolved(const std::string& device, Ms now);
  [[nodiscard]] Ms device_free_at(const std::string& device) const;

  /// `sick`: devices of `all` that moves are wanted from, as (device, since when). Says why it
  /// opened, once.
  std::string judge_breaker(const std::map<std::string, Ms>& sick, std::size_t all, Ms now);
  [[nodiscard]] bool open(Ms now) const { return now < open_until_; }
  void close(Ms now);
  [[nodiscard]] Ms opened_at() const { return opened_at_; }
  [[nodiscard]] Ms open_until() const { return open_until_; }
  [[nodiscard]] const std::string& why_open() const { return why_open_; }

  /// For the journal: a restart of the agent makes nobody's budget new.
  [[nodiscard]] boost::json::object record() const;
  /// Takes up what record() said. What is no such record is passed over; times that lie ahead of
  /// `now`, of a clock that was set back, count as now.
  void restore(const boost::json::object& record, Ms now);
  /// Jobs whose moves run: after a restart, those that somebody has to look after.
  [[nodiscard]] std::vector<std::string> moving() const;
  /// A move that nobody knows of any more: neither moved nor failed.
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
  Ms counted_from_ = 0;  ///< what was before the breaker closed does not open it again
  std::string why_open_;
};

}  // namespace cardswap::health
