#include "agent/cli/snapshots/begin_snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "agent/base/printable.h"
#include "agent/base/units.h"
#include "agent/cli/snapshots/snapshot_turn.h"
#include "agent/cli/text/fields.h"
#include "agent/handover/base/migration_body.h"
#include "migrator/base/error.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kTurnMax{10'000};  // its agent answers after half a second
constexpr milliseconds kAgainAfter{200};

/// One command's wait for the time when the agent takes a snapshot of its job.
class SnapshotBeginning {
 public:
  SnapshotBeginning(const Context& context, Client& client, MigrationSpec spec)
      : context_(context), client_(client), spec_(std::move(spec)) {
    if (spec_.timeout_ms > 0) until_ = Clock::now() + as_time(spec_.timeout_ms);
  }

  json::object run(WhileBusy busy) {
    SnapshotTurn turn(spec_.job);
    while (true) {
      try {
        return ask();
      } catch (const Error& refusal) {
        if (busy == WhileBusy::refuses || refusal.code() != Code::conflict) throw;
        if (auto other = turn.waits_for(refusal, running())) {
          wait_for(std::move(*other));
          continue;
        }
      }
      if (context_.interrupts.has_come(kAgainAfter)) throw interrupted();
    }
  }

 private:
  static Clock::duration as_time(double ms) {
    return std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double, std::milli>(ms));
  }

  [[nodiscard]] Error interrupted() const {
    return {Code::cancelled,
            fmt::format("interrupted before a snapshot of job {} had begun", spec_.job)};
  }

  json::object ask() {
    auto spec = spec_;
    if (until_) {
      const std::chrono::duration<double, std::milli> left = *until_ - Clock::now();
      spec.timeout_ms = std::max(1.0, left.count());  // 0 would be no limit
    }
    auto begun = client_.call_unless_interrupted(context_.interrupts, "POST", "/v1/migrations",
                                                 request_body(spec));
    if (begun) return std::move(*begun);
    throw Error(Code::cancelled,
                fmt::format("interrupted before the agent at {} had answered", client_.address()),
                "`cardswap status` tells whether a snapshot of job " + spec_.job + " began");
  }

  json::object running() {
    auto answer =
        client_.call_unless_interrupted(context_.interrupts, "GET", "/v1/migrations?running=1");
    if (!answer) throw interrupted();
    return std::move(*answer);
  }

  /// Returns when that migration has ended, or is unknown to its agent by now.
  void wait_for(json::object other) {
    const auto id = text_at(other, "id");
    say(id, other);
    while (value_at(other, "result") == nullptr) {
      check_limit(id, other);
      try {
        auto news = client_.call_unless_interrupted(
            context_.interrupts, "GET",
            fmt::format("/v1/migrations/{}?after={}&wait_ms=500", id, count_at(other, "version")),
            nullptr, kTurnMax);
        if (!news) throw interrupted();
        other = std::move(*news);
      } catch (const Error& error) {
        if (error.code() == Code::not_found) return;  // it ended, and was forgotten
        throw;
      }
    }
  }

  void check_limit(const std::string& id, const json::object& other) const {
    if (!until_ || Clock::now() < *until_) return;
    throw Error(
        Code::timed_out,
        fmt::format("no snapshot of job {} was begun within {}: migration {} of it is {}",
                    spec_.job, format_ms(spec_.timeout_ms), id, printable_at(other, "state")),
        "`snapshot --timeout` waits longer; `cardswap cancel " + id + "` gives that one up");
  }

  void say(const std::string& id, const json::object& other) const {
    if (context_.quiet) return;
    const auto store = printable_at(other, "store");
    std::cerr << fmt::format(
        "cardswap: job {} is in migration {} to {}: its snapshot waits for the end of that\n",
        spec_.job, id, store.empty() ? printable_at(other, "to") : store);
  }

  const Context& context_;
  Client& client_;
  const MigrationSpec spec_;
  std::optional<Clock::time_point> until_;
};

}  // namespace

json::object begin_snapshot(const Context& context, Client& client, MigrationSpec spec,
                            WhileBusy busy) {
  return SnapshotBeginning(context, client, std::move(spec)).run(busy);
}

}  // namespace cardswap::cli
