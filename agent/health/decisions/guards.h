#pragma once

#include <boost/json/object.hpp>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "agent/health/decisions/policy.h"

namespace cardswap::health {

/// The limits of automatic moves: how many run at once and start in an hour, cool-downs and the
/// circuit breaker. Pure: the caller passes the time. `policy` outlives it.
class Guards {
 public:
  explicit Guards(const Policy& policy) : policy_(policy) {}

  /// Why no move may start now; empty: a move may start.
  [[nodiscard]] std::string hold_reason(Ms now) const;
  /// Notes that the job's move has started, or how it has ended.
  void note_started(const std::string& job_uid, Ms now);
  void note_ended(const std::string& job_uid, bool moved, Ms now);
  /// Takes back the start of a move that found no target: it counts as never started.
  void withdraw(const std::string& job_uid);
  [[nodiscard]] bool is_moving(const std::string& job_uid) const {
    return running_.contains(job_uid);
  }
  [[nodiscard]] std::size_t running() const { return running_.size(); }
  /// How many moves have started within the last hour.
  [[nodiscard]] std::size_t last_hour(Ms now) const;

  /// When the job may move again for a fault that can wait; 0: at any time. `arrived` is when a
  /// migration brought it, 0 if none did.
  [[nodiscard]] Ms job_free_at(const std::string& job_uid, Ms arrived) const;
  /// Notes that a fault of the device, for which jobs moved, is over.
  void note_device_resolved(const std::string& device, Ms now);
  /// When jobs may move away from the device again for a fault that can wait; 0: at any time.
  [[nodiscard]] Ms device_free_at(const std::string& device) const;

  /// Opens the breaker if too many moves failed or too many devices became sick. `sick` are the
  /// devices among `all` that jobs should leave, with the time since when. Returns why it opened
  /// it; empty: it did not.
  std::string judge_breaker(const std::map<std::string, Ms>& sick, std::size_t all, Ms now);
  [[nodiscard]] bool is_breaker_open(Ms now) const { return now < open_until_; }
  /// Closes the breaker at once. Failures before `now` do not open it again.
  void close_breaker(Ms now);
  /// When and why it opened last, and until when it stays open.
  [[nodiscard]] Ms opened_at() const { return opened_at_; }
  [[nodiscard]] Ms open_until() const { return open_until_; }
  [[nodiscard]] const std::string& why_open() const { return why_open_; }

  /// The guards as the journal keeps them, so that a restart of the agent does not renew a budget.
  [[nodiscard]] boost::json::object record() const;
  /// Loads the record() of a former agent; fields of another form count as missing. A time after
  /// `now`, because the clock was set back, counts as `now`.
  void restore(const boost::json::object& record, Ms now);
  /// The uids of the jobs whose moves have started and not ended.
  [[nodiscard]] std::vector<std::string> moving_jobs() const;
  /// Forgets a move whose end is not known: it counts neither as moved nor as failed.
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
  Ms counted_from_ = 0;  ///< earlier failures do not open the breaker
  std::string why_open_;
};

}  // namespace cardswap::health
