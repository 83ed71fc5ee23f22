#include <fmt/format.h>

#include <boost/json.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "agent/cli/command_context.h"
#include "agent/cli/follow_migration.h"
#include "agent/cli/snapshots/await_held.h"
#include "agent/cli/snapshots/begin_restore.h"
#include "agent/cli/snapshots/held_snapshots.h"
#include "agent/cli/snapshots/protect_restored.h"
#include "agent/cli/snapshots/snapshot_json.h"
#include "agent/cli/snapshots/snapshot_name.h"
#include "agent/cli/snapshots/way_back.h"
#include "migrator/base/error.h"
#include "migrator/store/branch_name.h"
#include "migrator/store/open_store.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

struct RestoreOptions {
  std::string snapshot;
  std::string store;
  std::string as;
  std::string device;
  std::string user;
  std::string branch;
  std::string protect_every;
  std::string restart = "never";
  std::string of_branch;
  bool hold = false;
  std::uint64_t hold_at = 0;
};

/// The step at which the job is to stand; 0: at none.
std::uint64_t hold_step(const RestoreOptions& options, const WayBack& way) {
  if (options.hold) return way.step;
  if (options.hold_at == 0 || options.hold_at >= way.step) return options.hold_at;
  throw Error(Code::bad_request,
              fmt::format("it goes back to step {}, and is to stand at step {}, before that",
                          way.step, options.hold_at),
              "restore the step at which it is to stand, with --hold");
}

/// What the agent is sent. Throws Error{bad_request} for a branch that is there.
json::object request_for(const RestoreOptions& options, store::Store& in, const WayBack& way,
                         const std::string& job) {
  const auto hold_at = hold_step(options, way);
  const auto refs = store::refs_of(in, way.base.job).refs;
  if (!options.branch.empty()) store::check_new_branch(refs, options.branch);
  auto body = restore_body(snapshot_json(in, way.base), options.device);
  body["name"] = job;
  body["user"] = options.user;
  body["restart"] = options.restart;
  body["branch"] = options.branch.empty() ? store::branch_after(refs, way.base) : options.branch;
  body["store"] = options.store;
  body["hold_at"] = hold_at;
  body["again_until"] = way.steps_again() == 0 ? 0 : way.step;
  add_log_to(body, way);
  return body;
}

/// Waits for a job that is to stand at the step to which it goes back, and shows both.
Exit show_held(const Context& context, Client& client, json::object ended, const std::string& job,
               std::uint64_t step) {
  const auto held = await_held(context, client, job, step);
  ended["held"] = held.at("held");
  const auto exit = show_outcome(context, ended);
  if (!context.quiet && !context.wants_json()) std::cout << held_text(held);
  return exit;
}

Exit restore(const Context& context, const RestoreOptions& options) {
  check_protect_every(options.protect_every);
  const auto in = store::open_store(options.store);
  const auto name = snapshot_name_from(options.snapshot);
  const HeldSnapshots reading(context, *in, name.job);  // until the agent has read it
  const auto way = find_way_back(*in, name, options.of_branch);
  const auto job = options.as.empty() ? name.job : options.as;
  auto body = request_for(options, *in, way, job);
  if (!context.quiet) std::cerr << announcement(way) << std::flush;  // stdout has the answer
  auto client = context.client();
  auto ended = await_end(context, client, begin_restore(context, client, std::move(body)));
  add_to(ended, way);
  const auto exit = options.hold && has_worked(ended)
                        ? show_held(context, client, std::move(ended), job, way.step)
                        : show_outcome(context, ended);
  return protect_restored(context, client, {job, options.store, options.protect_every}, exit);
}

}  // namespace

void add_restore_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<RestoreOptions>();
  auto* command = app.add_subcommand("restore", "Start a job that goes on from a snapshot");
  command->add_option("snapshot", options->snapshot, "JOB@STEP, JOB@latest or JOB:TAG")->required();
  command->add_option("--store", options->store, "file:/FOLDER, of the agent's host")->required();
  command->add_option("--as", options->as, "Name of the new job (default: the old one's)");
  command->add_option("--to", options->device, "Device to run on (default: as before)");
  command->add_option("--user", options->user, "User to run as (default: as the agent is set up)");
  command->add_option("--branch", options->branch,
                      "Name of a new branch (default: the snapshot's, where none is newer)");
  command->add_option(
      "--protect-every", options->protect_every,
      "Then protect it in the same store, with a snapshot each so many steps, so often, or auto");
  command
      ->add_option("--restart", options->restart,
                   "never; on-failure: go on from its newest snapshot when it fails")
      ->check(CLI::IsMember({"never", "on-failure"}))
      ->capture_default_str();
  command->add_option("--of-branch", options->of_branch,
                      "Branch whose step, or latest, it is (default: the newest snapshot's)");
  auto* hold = command->add_flag("--hold", options->hold, "Stand at that step, and wait for that");
  command->add_option("--hold-at", options->hold_at, "Go on, and stand at that later step")
      ->excludes(hold);
  command->callback([&context, &run, options] {
    context.handles_interrupts = true;
    run = [&context, options] { return restore(context, *options); };
  });
}

}  // namespace cardswap::cli
