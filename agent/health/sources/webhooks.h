#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "agent/health/sources/alert.h"
#include "agent/health/sources/health_context.h"
#include "agent/health/sources/own_host.h"
#include "migrator/base/error.h"

namespace cardswap::health {

/// The alerts of Alertmanager and Grafana as a source. One thread.
class Webhooks {
 public:
  explicit Webhooks(const HealthScope& scope);
  Webhooks(const Webhooks&) = delete;
  Webhooks& operator=(const Webhooks&) = delete;

  /// How many alerts of a webhook were of which scope; the sum is all of them.
  struct Result {
    std::size_t ours = 0;
    std::size_t not_ours = 0;
    std::size_t unclear = 0;
    std::size_t unreadable = 0;
    [[nodiscard]] std::size_t all() const { return ours + not_ours + unclear + unreadable; }
  };
  /// Takes the body of a call. Calls are taken one after the other, each a few alerts at a time, so
  /// that the agent's other work goes on. Everything is on disk when it returns. Throws
  /// Error{bad_request} if the body is not a webhook's, and Error{io, corrupt}: the sender has to
  /// repeat the call.
  asio::awaitable<Result> take(boost::json::object body);
  /// Counts a call that failed, and makes an event of it.
  void note_refused(const Error& error);

 private:
  class Turn;

  /// Observes an alert if it is about this host. Returns why that is unclear, if it is and the
  /// alert fires; else "".
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
