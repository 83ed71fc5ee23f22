#include "agent/cli/follow_migration.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <iostream>
#include <optional>
#include <utility>

#include "agent/base/printable.h"
#include "agent/base/validate.h"
#include "agent/cli/text/fields.h"
#include "agent/cli/text/lost_time_text.h"
#include "agent/cli/text/progress_line.h"
#include "agent/cli/text/text.h"
#include "agent/handover/base/in_doubt.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kNewsMax{10};  // its agent answers after half a second
constexpr std::chrono::milliseconds kStepsWait{2000};

/// Shows progress: on a terminal in one line that is drawn again, elsewhere in a line for each
/// state.
class Progress {
 public:
  explicit Progress(bool quiet) : quiet_(quiet) {}

  void show(const json::object& migration) {
    if (quiet_) return;
    const std::string state(migration.at("state").as_string());
    if (line_.is_shown()) {
      line_.draw(progress_line(migration, line_.width()));
    } else if (state != last_) {
      std::cerr << progress_line(migration, 200) << "\n";
    }
    last_ = state;
  }
  void clear() { line_.clear(); }

 private:
  bool quiet_;
  ProgressLine line_;
  std::string last_;
};

}  // namespace

bool has_worked(const json::object& migration) {
  const auto& result = migration.at("result").as_string();
  return result == "ok" || result == "checked" || result == "stored";
}

Exit show_outcome(const Context& context, const json::object& migration) {
  const bool done = has_worked(migration);
  if (context.wants_json()) {
    std::cout << json::serialize(migration) << "\n";
  } else if (!context.quiet || !done) {
    std::cout << summary(migration);
  }
  if (done) return Exit::done;
  const auto error = http::error_from_json(migration.at("error"));
  const auto store = printable_at(migration, "store");
  std::cerr << fmt::format("cardswap: job {} to {}: {}\n", printable_at(migration, "job"),
                           store.empty() ? printable_at(migration, "to") : store, error.failure());
  if (!error.hint().empty()) std::cerr << "hint: " << error.hint() << "\n";
  return exit_for(error.code());
}

namespace {

/// Handles the signals that a user sends while this command follows a migration.
class InterruptHandler {
 public:
  InterruptHandler(const Context& context, Client& client, std::string id)
      : context_(context), client_(client), id_(std::move(id)) {}

  /// Takes a pending signal. After Ctrl-C asks whether to cancel, after SIGTERM cancels; a second
  /// signal throws.
  void handle_pending(const json::object& migration, Progress& progress) {
    const int signal = context_.interrupts.next();
    if (signal == 0) return;
    progress.clear();
    if (leave_at_) leave(migration);
    if (signal == SIGINT && !context_.interrupts.confirm(
                                fmt::format("Cancel migration {} of job {}? It goes on meanwhile.",
                                            id_, printable_at(migration, "job")))) {
      return;
    }
    leave_at_ = Clock::now() + (signal == SIGTERM ? kTermWaits : kInterruptWaits);
    try {
      if (!client_.call_unless_interrupted(context_.interrupts, "POST",
                                           "/v1/migrations/" + id_ + "/cancel", nullptr,
                                           kCancelMax)) {
        leave(migration);
      }
    } catch (const Error& error) {
      const bool answered = error.code() == Code::conflict || error.code() == Code::not_found;
      if (!answered) {
        throw Error(error.code(),
                    fmt::format("migration {} goes on, its agent was not told to cancel it: {}",
                                id_, error.failure()),
                    "`cardswap cancel " + id_ + "` gives it up before its commit");
      }
      std::cerr << "cardswap: " << error.failure() << "\n";
    }
  }
  /// Throws Error{cancelled} if the cancelled migration takes too long to end.
  void check(const json::object& migration) const {
    if (leave_at_ && Clock::now() >= *leave_at_) leave(migration);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kTermWaits{5};
  static constexpr std::chrono::seconds kInterruptWaits{30};
  static constexpr std::chrono::seconds kCancelMax{2};

  [[noreturn]] void leave(const json::object& migration) const {
    throw Error(Code::cancelled,
                fmt::format("left migration {} of job {} as it is: {}", id_,
                            printable_at(migration, "job"), printable_at(migration, "state")),
                "`cardswap status " + id_ + "` tells what becomes of it");
  }

  const Context& context_;
  Client& client_;
  const std::string id_;
  std::optional<Clock::time_point> leave_at_;
};

std::string id_of(const json::object& migration) {
  return validate::migration_id("id", std::string(migration.at("id").as_string()));
}

Error left_in_doubt(const std::string& id, const json::object& migration) {
  const auto to = printable_at(migration, "to");
  return {Code::in_doubt,
          fmt::format("migration {} of job {} is in doubt: {} does not tell whether it has the "
                      "job; nothing steps on the source",
                      id, printable_at(migration, "job"), to),
          "it ends by itself when that agent is back; else " + what_to_do_in_doubt(id, to)};
}

Error agent_gone(const std::string& id, const Error& error) {
  return {Code::link_lost,
          fmt::format("the agent went away during migration {}: {}", id, error.failure()),
          "when it is back it gives the migration up unless that was committed; the job goes on in "
          "any case: `cardswap status " +
              id + "`"};
}

/// Waits for the steps after the move, whose lateness counts for the migration; not if they cannot
/// be over soon. Figures that are not final then are shown as such.
void wait_for_steps(const Context& context, Client& client, json::object& migration) {
  using Clock = std::chrono::steady_clock;
  const auto id = id_of(migration);
  const auto until = Clock::now() + kStepsWait;
  while (Clock::now() < until) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    if (!is_final_within(migration, left)) return;
    try {
      auto news = client.call_unless_interrupted(
          context.interrupts, "GET",
          fmt::format("/v1/migrations/{}?after={}&wait_ms={}", id,
                      json::serialize(migration.at("version")), left.count()),
          nullptr, kNewsMax);
      if (!news) return;
      migration = std::move(*news);
    } catch (const Error&) {
      return;  // what became of the job is known
    }
  }
}

}  // namespace

json::object await_result(const Context& context, Client& client, json::object migration,
                          std::string_view until) {
  const auto id = id_of(migration);
  Progress progress(context.quiet || context.wants_json());
  InterruptHandler handler(context, client, id);
  while (migration.at("result").is_null()) {
    if (!until.empty() && migration.at("state").as_string() == until) {
      progress.clear();
      return migration;
    }
    progress.show(migration);
    if (migration.at("state").as_string() == "in_doubt") {
      progress.clear();
      throw left_in_doubt(id, migration);
    }
    handler.handle_pending(migration, progress);
    handler.check(migration);
    try {
      auto news =
          client.call_unless_interrupted(context.interrupts, "GET",
                                         fmt::format("/v1/migrations/{}?after={}&wait_ms=500", id,
                                                     json::serialize(migration.at("version"))),
                                         nullptr, kNewsMax);
      if (news) migration = std::move(*news);
    } catch (const Error& error) {
      progress.clear();
      if (!http::is_silence(error.code())) throw;
      throw agent_gone(id, error);
    }
  }
  progress.clear();
  return migration;
}

json::object await_end(const Context& context, Client& client, json::object migration,
                       std::string_view until) {
  auto ended = await_result(context, client, std::move(migration), until);
  if (!ended.at("result").is_null()) wait_for_steps(context, client, ended);
  return ended;
}

Exit follow(const Context& context, Client& client, json::object migration,
            std::string_view until) {
  const auto ended = await_end(context, client, std::move(migration), until);
  if (!ended.at("result").is_null()) return show_outcome(context, ended);
  context.show(ended, summary);
  return Exit::done;
}

}  // namespace cardswap::cli
