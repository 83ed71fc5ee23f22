#include <fmt/format.h>

#include <boost/json.hpp>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/cli/command_context.h"
#include "agent/cli/follow/follow_by_api.h"
#include "agent/cli/follow_migration.h"
#include "agent/cli/job_environment.h"
#include "agent/cli/snapshots/begin_restore.h"
#include "agent/cli/snapshots/latest_snapshot.h"
#include "agent/cli/snapshots/protect_restored.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

struct RunOptions {
  std::string name;
  std::string device = "cpu:0";
  std::string cwd;
  std::vector<std::string> env;
  std::string restart = "never";
  std::string user;
  std::string arrive = "standby";
  std::string resume = "none";
  std::string store;
  std::string protect_every;
  std::uint64_t hold_at = 0;
  bool waits = false;
  std::vector<std::string> program;
};

json::object job_body(const RunOptions& options) {
  json::array argv;
  for (const auto& word : options.program) argv.emplace_back(word);
  return {{"name", options.name},
          {"argv", std::move(argv)},
          {"cwd", options.cwd.empty() ? std::filesystem::current_path().string() : options.cwd},
          {"env", environment(options.env)},
          {"device", options.device},
          {"restart", options.restart},
          {"user", options.user},
          {"arrive", options.arrive},
          {"hold_at", options.hold_at}};
}

Exit start_job(const Context& context, const RunOptions& options) {
  auto body = job_body(options);
  if (options.resume == "latest") body["resume_store"] = options.store;
  const auto job = context.client().call("POST", "/v1/jobs", std::move(body));
  context.show(job, [](const json::object& answer) {
    return fmt::format(
        "job {} started on {} as process {}\n", std::string_view(answer.at("name").as_string()),
        std::string_view(answer.at("device").as_string()), json::serialize(answer.at("pid")));
  });
  if (!options.waits) return Exit::done;
  std::cout << std::flush;
  return follow_by_api(context, {options.name, std::nullopt}, !context.quiet);
}

/// Starts the job from its latest snapshot; at its first step only where there never was one.
Exit resume_job(const Context& context, const RunOptions& options) {
  if (options.store.empty()) {
    throw Error(Code::bad_request, "resume it from where?",
                "--store file:/FOLDER, of the agent's host");
  }
  check_protect_every(options.protect_every);
  const RestoredJob job{options.name, options.store, options.protect_every};
  const auto from = find_latest(options.store, options.name);
  if (!from) {
    if (!context.quiet) {
      std::cerr << fmt::format("no snapshot of job {} in {}: it begins at its first step\n",
                               options.name, options.store);
    }
    const auto started = start_job(context, options);
    if (options.protect_every.empty()) return started;
    auto client = context.client();
    return protect_restored(context, client, job, started);
  }
  auto body = job_body(options);
  body["store"] = options.store;
  body["manifest"] = to_string(from->ref.manifest);
  body["epoch"] = from->ref.epoch;
  body["branch"] = from->branch;
  auto client = context.client();
  auto begun = begin_restore(context, client, std::move(body));
  return protect_restored(context, client, job, follow(context, client, std::move(begun)));
}

}  // namespace

void add_run_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<RunOptions>();
  auto* command = app.add_subcommand("run", "Start a job on this agent's host");
  command->add_option("--name", options->name, "Name of the job")->required();
  command->add_option("--device", options->device, "Device to run on")->capture_default_str();
  command->add_option("--cwd", options->cwd, "Folder to run in (default: this one)");
  command->add_option("--env", options->env, "KEY=VALUE to add to this environment")
      ->allow_extra_args(false);
  command->add_option("--restart", options->restart, "never or on-failure")->capture_default_str();
  command->add_option("--user", options->user, "User to run as (default: as the agent is set up)");
  command
      ->add_option("--arrive", options->arrive,
                   "How it moves unless `migrate` says otherwise: standby (the program registers "
                   "all its state) or criu (its process moves whole)")
      ->check(CLI::IsMember({"standby", "criu"}))
      ->capture_default_str();
  command
      ->add_option("--resume", options->resume,
                   "latest: go on from the job's latest snapshot in --store, where there is one")
      ->check(CLI::IsMember({"latest", "none"}))
      ->capture_default_str();
  command->add_option("--store", options->store, "file:/FOLDER, of the agent's host");
  command->add_option(
      "--protect-every", options->protect_every,
      "With --resume: then protect it, with a snapshot each so many steps, so often, or auto");
  command->add_option("--hold-at", options->hold_at,
                      "Step at which it stands until `resume` lets it go on");
  command->add_flag("--wait", options->waits,
                    "Print its log, wait for its end, wherever it has moved by then, and end as it "
                    "ends; signals are passed on to it");
  command->add_option("program", options->program, "Program and arguments, after --")->required();
  command->callback([&context, &run, options] {
    const bool resumes = options->resume == "latest";
    if (!resumes && !options->protect_every.empty()) {
      throw CLI::ValidationError("--protect-every", "is for --resume latest; see `protect`");
    }
    if (resumes && options->waits) {
      throw CLI::ValidationError("--wait", "is not for --resume; see `follow`");
    }
    context.handles_interrupts = resumes || options->waits;
    run = [&context, options, resumes] {
      return resumes ? resume_job(context, *options) : start_job(context, *options);
    };
  });
}

}  // namespace cardswap::cli
