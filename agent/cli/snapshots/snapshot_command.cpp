#include <memory>
#include <string>
#include <utility>

#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/follow_migration.h"
#include "agent/cli/snapshots/begin_snapshot.h"

namespace cardswap::cli {
namespace {

struct SnapshotOptions {
  std::string job;
  std::string store;
  std::string tag;
  std::string wait = "durable";
  std::string timeout = "10m";
  bool no_wait = false;
};

/// Starts a migration whose target is a store, and follows it. The job trains on where it is.
Exit take(const Context& context, const SnapshotOptions& options) {
  MigrationSpec spec;
  spec.job = options.job;
  spec.store = options.store;
  spec.tag = options.tag;
  spec.max_stall_ms = 0;
  spec.timeout_ms = static_cast<double>(parse_limit("--timeout", options.timeout).count());
  auto client = context.client();
  auto begun = begin_snapshot(context, client, std::move(spec),
                              options.no_wait ? WhileBusy::refuses : WhileBusy::waits);
  return follow(context, client, std::move(begun), options.wait == "captured" ? "captured" : "");
}

}  // namespace

void add_snapshot_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<SnapshotOptions>();
  auto* command = app.add_subcommand(
      "snapshot", "Keep a running job's state, as of one step, in a store; the job trains on");
  command->add_option("job", options->job, "Job of this host")->required();
  command->add_option("--to", options->store, "file:/FOLDER, of the job's host")->required();
  command->add_option("--tag", options->tag, "Name of the snapshot, for people");
  command
      ->add_option("--wait", options->wait,
                   "durable: until it is in the store; captured: until its keeper has the state")
      ->check(CLI::IsMember({"durable", "captured"}))
      ->capture_default_str();
  command
      ->add_option("--timeout", options->timeout,
                   "Give up when its keeper has not the state after this long, or none")
      ->capture_default_str();
  command->add_flag("--no-wait", options->no_wait,
                    "Refused while the job moves, or another snapshot of it is written");
  command->callback([&context, &run, options] {
    context.handles_interrupts = true;
    run = [&context, options] { return take(context, *options); };
  });
}

}  // namespace cardswap::cli
