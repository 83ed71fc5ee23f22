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
#include "agent/base/validate.h"
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
    std::string refused;  // the last refusal that no running migration explained
    while (true) {
      try {
        return ask();
      } catch (const Error& error) {
        if (busy == WhileBusy::refuses || error.code() != Code::conflict) throw;
        const auto other = running_of_job();
        if (other) {
          refused.clear();
          wait_for(*other);
          continue;
        }
        // What it was refused for may have ended between the two calls. Another migration's refusal
        // has another text; the same one again is about something else.
        if (refused == error.failure()) throw;
        refused = error.failure();
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

  /// The migration that the job is in. Nullopt: it is in none, as far as the agent knows.
  std::optional<json::object> running_of_job() {
    auto answer =
        client_.call_unless_interrupted(context_.interrupts, "GET", "/v1/migrations?running=1");
    if (!answer) throw interrupted();
    for (auto& one : array_at(*answer, "migrations")) {
      if (one.is_object() && text_at(one.as_object(), "job") == spec_.job) return one.as_object();
    }
    return std::nullopt;
  }

  /// Returns when that migration has ended, or is unknown to its agent by now.
  void wait_for(json::object other) {
    const auto id = validate::migration_id("id", text_at(other, "id"));
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
