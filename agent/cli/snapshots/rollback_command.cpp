#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include "agent/base/json_fields.h"
#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/follow_migration.h"
#include "agent/cli/snapshots/held_snapshots.h"
#include "agent/cli/snapshots/way_back.h"
#include "migrator/base/error.h"
#include "migrator/store/branch_name.h"
#include "migrator/store/open_store.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

// The agent reads the snapshot twice: before the job is stopped, and to give it back.
constexpr std::chrono::minutes kRollbackMax{62};

struct RollbackOptions {
  std::string job;
  std::uint64_t step = 0;
  std::string store;
  std::string branch;
  std::string of_branch;
  std::string grace = "10s";
};

/// The run of the job that is there.
RunWanted run_of_job(Client& client, const std::string& job) {
  const auto shown = client.call("GET", "/v1/jobs/" + http::percent_encoded(job));
  return {store::run_of(text_at(shown, "uid")), text_at(shown, "restored_from")};
}

Exit roll_back(const Context& context, const RollbackOptions& options) {
  const auto in = store::open_store(options.store);
  const HeldSnapshots reading(context, *in, options.job);  // until the agent has read it
  auto client = context.client();
  const auto way = find_way_back(*in, {options.job, std::to_string(options.step), {}},
                                 options.of_branch, run_of_job(client, options.job));
  const auto& ref = way.base;
  const auto refs = store::refs_of(*in, options.job).refs;
  const auto branch = options.branch.empty() ? store::fresh_branch(refs, way.step) : options.branch;
  store::check_new_branch(refs, branch);
  json::object body{{"store", options.store},
                    {"manifest", to_string(ref.manifest)},
                    {"epoch", ref.epoch},
                    {"branch", branch},
                    {"again_until", way.steps_again() == 0 ? 0 : way.step},
                    {"grace_ms", parse_duration("--grace", options.grace).count()}};
  add_log_to(body, way);
  if (!context.quiet) std::cerr << announcement(way) << std::flush;
  auto begun = client.call_unless_interrupted(
      context.interrupts, "POST",
      fmt::format("/v1/jobs/{}/rollback", http::percent_encoded(options.job)), std::move(body),
      kRollbackMax);
  if (!begun) {
    throw Error(Code::cancelled,
                fmt::format("interrupted before the agent at {} had answered", client.address()),
                "`cardswap jobs` tells whether the job is stopped already");
  }
  auto ended = await_end(context, client, std::move(*begun));
  add_to(ended, way);
  return show_outcome(context, ended);
}

}  // namespace

void add_rollback_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<RollbackOptions>();
  auto* command = app.add_subcommand(
      "rollback", "Stop a job, and let it go on from an earlier step, as another branch");
  command->add_option("job", options->job, "Job of this host")->required();
  command->add_option("--to-step", options->step, "Step that the job has passed")->required();
  command->add_option("--store", options->store, "file:/FOLDER, of the agent's host")->required();
  command->add_option("--branch", options->branch,
                      "Name of the new branch (default: made of the step)");
  command->add_option("--of-branch", options->of_branch,
                      "Branch whose step it is (default: the newest snapshot's)");
  command->add_option("--grace", options->grace, "Time before SIGKILL")->capture_default_str();
  command->callback([&context, &run, options] {
    context.handles_interrupts = true;
    run = [&context, options] { return roll_back(context, *options); };
  });
}

}  // namespace cardswap::cli
