#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <iostream>
#include <memory>

#include "agent/cli/commands.h"
#include "agent/cli/interrupts.h"
#include "agent/cli/migration_options.h"
#include "agent/cli/text.h"
#include "agent/handover/migration.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

struct MigrateOptions {
  std::string job;
  std::string to;
  MigrationOptions how;
  std::string hold_at;
  bool dry_run = false;
  bool detach = false;
};

/// Where progress goes: one line that is drawn again on a terminal, a line a state elsewhere.
class Progress {
 public:
  explicit Progress(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}

  void show(const json::object& migration) {
    if (quiet_) return;
    const std::string state(migration.at("state").as_string());
    if (terminal_) {
      winsize size{};
      ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
      // Room for the terminal's own "^C": a line that wraps cannot be drawn again.
      const std::size_t width = size.ws_col > 20 ? size.ws_col - 3U : 77U;
      std::cerr << "\r\033[K" << progress_line(migration, width) << std::flush;
      drawn_ = true;
    } else if (state != last_) {
      std::cerr << progress_line(migration, 200) << "\n";
    }
    last_ = state;
  }
  void clear() {
    if (std::exchange(drawn_, false)) std::cerr << "\r\033[K" << std::flush;
  }

 private:
  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  std::string last_;
};

std::string text_of(const json::object& from, std::string_view key) {
  return std::string(from.at(key).as_string());
}

Exit outcome(const Context& context, const json::object& migration) {
  if (context.json()) {
    std::cout << json::serialize(migration) << "\n";
  } else if (!context.quiet || migration.at("result").as_string() != "ok") {
    std::cout << summary(migration);
  }
  if (migration.at("result").as_string() == "ok") return Exit::done;
  const auto error = http::error_from_json(migration.at("error"));
  std::cerr << fmt::format("cardswap: job {} to {}: {}\n", text_of(migration, "job"),
                           text_of(migration, "to"), error.failure());
  if (!error.hint().empty()) std::cerr << "hint: " << error.hint() << "\n";
  return exit_for(error.code());
}

Exit follow(const Context& context, Client& client, json::object migration) {
  const std::string id(migration.at("id").as_string());
  Progress progress(context.quiet || context.json());
  const Interrupts interrupts;
  while (migration.at("result").is_null()) {
    progress.show(migration);
    if (migration.at("state").as_string() == "in_doubt") {
      progress.clear();
      throw Error(Code::in_doubt,
                  fmt::format("migration {} of job {} is in doubt: {} does not tell whether it has "
                              "the job; nothing steps on the source",
                              id, text_of(migration, "job"), text_of(migration, "to")),
                  "it ends by itself when that agent is back; if it never is, stop its process and "
                  "`cardswap resolve " +
                      id + " --force source`");
    }
    if (interrupts.any()) {
      progress.clear();
      if (interrupts.confirmed(fmt::format("Cancel migration {} of job {}? It goes on meanwhile.",
                                           id, text_of(migration, "job")))) {
        try {
          client.call("POST", "/v1/migrations/" + id + "/cancel");
        } catch (const Error& error) {
          std::cerr << "cardswap: " << error.failure() << "\n";
        }
      }
    }
    try {
      migration = client.call("GET", fmt::format("/v1/migrations/{}?after={}&wait_ms=500", id,
                                                 json::serialize(migration.at("version"))));
    } catch (const Error& error) {
      progress.clear();
      throw Error(error.code(),
                  fmt::format("the agent went away during migration {}: {}", id, error.failure()),
                  "it takes the migration up when it is back: cardswap status " + id);
    }
  }
  progress.clear();
  return outcome(context, migration);
}

/// What the migration itself would end with, as far as that is known.
Exit planned(const json::object& plan) {
  if (!plan.at("allowed").as_bool()) {
    const auto* code = plan.if_contains("code");
    const auto known = code != nullptr && code->is_string()
                           ? code_from_string(std::string_view(code->get_string()))
                           : std::nullopt;
    return exit_for(known.value_or(Code::refused));
  }
  const auto* fits = plan.if_contains("fits");
  return fits != nullptr && *fits == false ? Exit::aborted : Exit::done;
}

Exit migrate(const Context& context, const MigrateOptions& options) {
  (void)parse_destination(options.to);
  auto body = options.how.fields();
  body["job"] = options.job;
  body["to"] = options.to;
  body["dry_run"] = options.dry_run;
  if (!options.hold_at.empty()) body["hold_at"] = options.hold_at;
  auto client = context.client();
  auto answer = client.call("POST", "/v1/migrations", std::move(body));
  if (options.dry_run) {
    context.show(answer, plan_text);
    return planned(answer);
  }
  if (options.detach) {
    context.show(answer, [](const json::object& started) {
      return std::string(started.at("id").as_string()) + "\n";
    });
    return Exit::done;
  }
  return follow(context, client, std::move(answer));
}

}  // namespace

void add_migrate_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<MigrateOptions>();
  auto* command = app.add_subcommand("migrate", "Move a running job to another device, live");
  command->add_option("job", options->job, "Job of this host")->required();
  command->add_option("--to", options->to, "HOST[:PORT]/DEVICE")->required();
  options->how.add_to(*command);
  command->add_flag("--dry-run", options->dry_run, "Check and predict only");
  command->add_flag("--detach", options->detach, "Print the migration's id and return");
  command->add_option("--hold-at", options->hold_at)->group("");
  command->callback([&context, &run, options] {
    run = [&context, options] { return migrate(context, *options); };
  });
}

}  // namespace cardswap::cli
