#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <memory>
#include <utility>

#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/snapshots/last_snapshot.h"
#include "agent/cli/text/text.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

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

}  // namespace

void add_stop_command(CLI::App& app, Context& context, Run& run) {
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

}  // namespace cardswap::cli
