#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "agent/health/sources/alert.h"
#include "agent/health/sources/health_context.h"
#include "agent/health/sources/own_host.h"
#include "migrator/base/error.h"

namespace cardswap::health {

/// Alerts of Alertmanager and Grafana as a source. One thread.
class Webhooks {
 public:
  explicit Webhooks(const HealthScope& scope);
  Webhooks(const Webhooks&) = delete;
  Webhooks& operator=(const Webhooks&) = delete;

  /// What became of a webhook's alerts; the sum is their number.
  struct Result {
    std::size_t ours = 0;
    std::size_t not_ours = 0;
    std::size_t unclear = 0;
    std::size_t unreadable = 0;
    [[nodiscard]] std::size_t all() const { return ours + not_ours + unclear + unreadable; }
  };
  /// Takes a webhook's body: one call at a time, a few alerts at a time, so that nobody else waits.
  /// Everything is on disk when it returns. Throws Error{bad_request} for a body that is no
  /// webhook's and Error{io}: the sender has to repeat.
  asio::awaitable<Result> take(boost::json::object body);
  /// Counts and logs a call that failed.
  void refused(const Error& error);

 private:
  class Turn;

  /// Why it is unclear whose the alert is, where it is; else it is observed or is not ours.
  std::string take(const Alert& alert, const OwnHost& own, Result& taken);
  void note_receipt(const Webhook& webhook, const Result& taken, std::size_t firing,
                    const std::string& unclear);

  const Config& config_;
  JournalledEngine& journalled_;
  HealthCounters& counters_;
  Signal turn_;
  bool is_taking_ = false;
};

}  // namespace cardswap::health
