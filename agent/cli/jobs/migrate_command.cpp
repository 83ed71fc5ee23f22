#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/printable.h"
#include "agent/cli/command_context.h"
#include "agent/cli/follow_migration.h"
#include "agent/cli/migration_options.h"
#include "agent/cli/text/text.h"
#include "agent/handover/base/migration_body.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

struct MigrateOptions {
  std::string job;
  std::string from;             ///< a job of many: the host whose ranks move
  std::vector<std::string> to;  ///< several for several ranks
  MigrationOptions how;
  std::string failpoint;
  bool dry_run = false;
  bool detach = false;
};

/// The exit code that the migration itself would have, as far as the plan shows it.
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

/// The destinations, with commas between them. Those of ranks are read by the agent, which knows
/// how many ranks move.
std::string destinations(const MigrateOptions& options) {
  const bool are_ranks = options.job.find('/') != std::string::npos || !options.from.empty();
  if (!are_ranks && options.to.size() > 1) {
    throw Error(Code::bad_request, "a whole job moves to one destination",
                "name ranks, as JOB/RANK,RANK, to move each to its own");
  }
  if (!are_ranks) (void)parse_destination(options.to.at(0));
  return fmt::format("{}", fmt::join(options.to, ","));
}

Exit migrate(const Context& context, const MigrateOptions& options) {
  auto spec = options.how.spec();
  spec.job = options.job;
  spec.to = destinations(options);
  auto body = request_body(spec);
  if (!options.from.empty()) body["from"] = options.from;
  body["dry_run"] = options.dry_run;
  if (!options.failpoint.empty()) body["failpoint"] = options.failpoint;
  auto client = context.client();
  auto begun =
      client.call_unless_interrupted(context.interrupts, "POST", "/v1/migrations", std::move(body));
  if (!begun) {
    throw Error(Code::cancelled,
                fmt::format("interrupted before the agent at {} had answered", client.address()),
                options.dry_run ? ""
                                : "`cardswap status` tells whether a migration of job " +
                                      options.job + " began");
  }
  auto& answer = *begun;
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

/// Rehearses a migration that ends before its commit, to see whether the program forgets any state.
Exit check(const Context& context, const MigrateOptions& options) {
  auto spec = options.how.spec();
  spec.job = options.job;
  if (!options.to.empty()) spec.to = options.to.front();
  spec.rehearse = Rehearsal::only;
  auto client = context.client();
  auto begun = client.call_unless_interrupted(context.interrupts, "POST", "/v1/migrations",
                                              request_body(spec));
  if (!begun) {
    throw Error(Code::cancelled,
                fmt::format("interrupted before the agent at {} had answered", client.address()));
  }
  return follow(context, client, std::move(*begun));
}

}  // namespace

void add_migrate_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<MigrateOptions>();
  auto* command = app.add_subcommand("migrate", "Move a running job to another device, live");
  command
      ->add_option("job", options->job,
                   "Job of this host, or of a job of many ranks JOB/RANK, or several of them: "
                   "JOB/0,2 or JOB/0-3")
      ->required();
  command->add_option("--from", options->from,
                      "HOST[:PORT]: of a job of many, all ranks that are there");
  command
      ->add_option("--to", options->to,
                   "HOST[:PORT]/DEVICE; for several ranks once for each, in their order, or "
                   "HOST[:PORT] alone, over whose devices they are placed")
      ->required()
      ->delimiter(',')
      ->allow_extra_args(false);
  options->how.add_to(*command);
  options->how.add_rehearsal_to(*command);
  command->add_flag("--dry-run", options->dry_run, "Check and predict only");
  command->add_flag("--detach", options->detach, "Print the migration's id and return");
  command->add_option("--failpoint,--hold-at", options->failpoint)->group("");
  command->callback([&context, &run, options] {
    context.handles_interrupts = true;
    run = [&context, options] { return migrate(context, *options); };
  });
}

void add_check_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<MigrateOptions>();
  auto* command = app.add_subcommand(
      "check", "Would a job go on as it does? Takes one step in a standby too, moves nothing");
  command->add_option("job", options->job, "Job of this host")->required();
  command
      ->add_option("--to", options->to,
                   "DEVICE of this host, or HOST[:PORT]/DEVICE; the job's own without it")
      ->expected(1);
  options->how.add_to(*command);
  command->callback([&context, &run, options] {
    context.handles_interrupts = true;
    run = [&context, options] { return check(context, *options); };
  });
}

}  // namespace cardswap::cli
