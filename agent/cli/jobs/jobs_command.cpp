#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <iostream>
#include <memory>
#include <set>
#include <thread>

#include "agent/base/printable.h"
#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/follow_migration.h"
#include "agent/cli/job_environment.h"
#include "agent/cli/snapshots/begin_restore.h"
#include "agent/cli/snapshots/last_snapshot.h"
#include "agent/cli/snapshots/latest_snapshot.h"
#include "agent/cli/snapshots/protect_restored.h"
#include "agent/cli/text/log_lines.h"
#include "agent/cli/text/protection_text.h"
#include "agent/cli/text/recovery_text.h"
#include "agent/cli/text/text.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

/// On a terminal control characters are made harmless, because it would obey them; into a file or a
/// pipe they go unchanged.
Exit show_logs(const Context& context, const std::string& name, std::int64_t tail, bool follow,
               bool raw) {
  const bool as_it_is = raw || ::isatty(STDOUT_FILENO) == 0;
  auto client = context.client();
  const ReadLog read = [&](std::int64_t at, std::int64_t bytes_max) {
    const auto answer = client.call("GET", fmt::format("/v1/jobs/{}/logs?offset={}&limit={}",
                                                       http::percent_encoded(name), at, bytes_max));
    const auto number = [&](const char* key) { return answer.at(key).to_number<std::int64_t>(); };
    return LogPiece{std::string(answer.at("data").as_string()),
                    number("offset"),
                    number("next"),
                    number("first"),
                    number("size"),
                    answer.at("ended").as_bool()};
  };
  auto offset = tail > 0 ? offset_of_last(tail, read) : 0;
  while (true) {
    const auto piece = read(offset, kLogPieceBytes);
    if (piece.offset > offset) {
      std::cerr << fmt::format("cardswap: {} of the log of {} are gone (cardswapd --job-log-max)\n",
                               format_size(static_cast<std::uint64_t>(piece.offset - offset)),
                               name);
    }
    std::cout << (as_it_is ? piece.data : printable_lines(piece.data)) << std::flush;
    const bool all = piece.next >= piece.size;
    if (all && (!follow || piece.ended)) return Exit::done;
    if (all) std::this_thread::sleep_for(std::chrono::milliseconds(200));
    offset = piece.next;
  }
}

void forget_one(const Context& context, const std::string& name) {
  context.show(context.client().call("DELETE", "/v1/jobs/" + http::percent_encoded(name)),
               [](const json::object&) { return std::string(); });
}

/// Reports a job that cannot be forgotten, and goes on with the others.
Exit forget_ended(const Context& context) {
  const auto listed = context.client().call("GET", "/v1/jobs");
  std::set<std::string> names;
  for (const auto& item : listed.at("jobs").as_array()) {
    if (is_over(item.as_object())) names.emplace(item.at("name").as_string());
  }
  json::array forgotten;
  auto exit = Exit::done;
  for (const auto& name : names) {
    try {
      context.client().call("DELETE", "/v1/jobs/" + http::percent_encoded(name));
      forgotten.emplace_back(name);
    } catch (const Error& error) {
      if (error.code() != Code::conflict) throw;
      std::cerr << "cardswap: " << error.what() << "\n";
      exit = exit_for(error.code());
    }
  }
  context.show(json::object{{"forgotten", forgotten}}, [](const json::object& answer) {
    return fmt::format("{} forgotten\n", answer.at("forgotten").as_array().size());
  });
  return exit;
}

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
  return Exit::done;
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

void add_run(CLI::App& app, Context& context, Run& run) {
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
  command->add_option("program", options->program, "Program and arguments, after --")->required();
  command->callback([&context, &run, options] {
    const bool resumes = options->resume == "latest";
    if (!resumes && !options->protect_every.empty()) {
      throw CLI::ValidationError("--protect-every", "is for --resume latest; see `protect`");
    }
    context.handles_interrupts = resumes;
    run = [&context, options, resumes] {
      return resumes ? resume_job(context, *options) : start_job(context, *options);
    };
  });
}

struct JobsOptions {
  std::string name;
  bool all = false;
  bool state = false;
};

Exit show_jobs(const Context& context, const JobsOptions& options) {
  const auto path = "/v1/jobs/" + http::percent_encoded(options.name);
  const bool wide = context.output == "wide";
  if (options.state) {
    context.show(context.client().call("GET", path + "/state"), state_table);
  } else if (!options.name.empty()) {
    context.show(context.client().call("GET", path), [&](const json::object& job) {
      return jobs_table(json::object{{"jobs", json::array{job}}}, {wide, true, unix_ms()}) +
             protection_text(job, unix_ms()) + recovery_text(job, unix_ms());
    });
  } else {
    context.show(context.client().call("GET", "/v1/jobs"), [&](const json::object& answer) {
      return jobs_table(answer, {wide, options.all, unix_ms()});
    });
  }
  return Exit::done;
}

void add_jobs(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<JobsOptions>();
  auto* command = app.add_subcommand("jobs", "List the jobs of this agent's host");
  command->add_flag("--all", options->all, "Also those that are over");
  auto* of_one = command->add_option("name", options->name, "Only this job");
  command
      ->add_flag("--state", options->state,
                 "What its state consists of, what it lacks, and how each part moves")
      ->needs(of_one);
  command->callback([&context, &run, options] {
    run = [&context, options] { return show_jobs(context, *options); };
  });
}

void add_logs(CLI::App& app, Context& context, Run& run) {
  struct Options {
    std::string name;
    std::int64_t tail = 0;
    bool follow = false;
    bool raw = false;
  };
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("logs", "Print what a job has printed");
  command->add_option("name", options->name, "Job")->required();
  command->add_flag("--follow,-f", options->follow, "Go on until the job ends");
  command->add_option("--tail", options->tail, "Only the last lines");
  command->add_flag("--raw", options->raw,
                    "To a terminal too: control characters as they are, colours for one");
  command->callback([&context, &run, options] {
    run = [&context, options] {
      return show_logs(context, options->name, options->tail, options->follow, options->raw);
    };
  });
}

struct StopOptions {
  std::string name;
  std::string grace = "10s";
  bool force = false;
  bool snapshot = false;
  std::string store;
};

Exit stop_job(const Context& context, const StopOptions& options) {
  const auto grace = parse_duration("--grace", options.grace);
  if (options.snapshot) keep_last_state(context, options.name, options.store);
  const auto path = fmt::format("/v1/jobs/{}/stop", http::percent_encoded(options.name));
  json::object body{{"grace_ms", grace.count()}, {"force", options.force}};
  auto client = context.client();
  const auto limit = grace + std::chrono::seconds(30);
  const auto job = options.snapshot ? client.call_unless_interrupted(context.interrupts, "POST",
                                                                     path, std::move(body), limit)
                                    : client.call("POST", path, std::move(body), limit);
  if (!job) {
    throw Error(Code::cancelled,
                fmt::format("interrupted before the agent at {} had answered", client.address()),
                fmt::format("`cardswap jobs {}` tells whether it is stopped", options.name));
  }
  context.show(*job, stopped_text);
  return Exit::done;
}

void add_stop(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<StopOptions>();
  auto* command =
      app.add_subcommand("stop", "End every process of a job on this host: SIGTERM, then SIGKILL");
  command->add_option("name", options->name, "Job")->required();
  command->add_option("--grace", options->grace, "Time before SIGKILL")->capture_default_str();
  command->add_flag("--force", options->force,
                    "Also what stands for a migration and may be the job's only good copy");
  auto* snapshot = command->add_flag("--snapshot", options->snapshot,
                                     "Take a last snapshot first; where it fails, the job goes on");
  command
      ->add_option("--to", options->store,
                   "file:/FOLDER for the snapshot (default: that of its protection)")
      ->needs(snapshot);
  command->callback([&context, &run, options] {
    context.handles_interrupts = options->snapshot;
    run = [&context, options] { return stop_job(context, *options); };
  });
}

void add_forget(CLI::App& app, Context& context, Run& run) {
  struct Options {
    std::string name;
    bool ended = false;
  };
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("forget", "Drop the record of a job that has ended");
  auto* name = command->add_option("name", options->name, "Job");
  command->add_flag("--ended", options->ended, "Of every job that is over, however it ended")
      ->excludes(name);
  command->callback([&context, &run, options] {
    run = [&context, options] {
      if (options->ended) return forget_ended(context);
      if (options->name.empty()) {
        throw Error(Code::bad_request, "forget which job?", "cardswap forget NAME, or --ended");
      }
      forget_one(context, options->name);
      return Exit::done;
    };
  });
}

}  // namespace

void add_job_commands(CLI::App& app, Context& context, Run& run) {
  add_run(app, context, run);
  add_jobs(app, context, run);
  add_logs(app, context, run);
  add_stop(app, context, run);
  add_forget(app, context, run);
}

}  // namespace cardswap::cli
