#include <unistd.h>

#include <memory>

#include "agent/cli/drain/drain.h"
#include "agent/cli/drain/drain_to_stores.h"

namespace cardswap::cli {
namespace {

void check(const DrainOptions& options) {
  if (options.hook.find('/') != std::string::npos && ::access(options.hook.c_str(), X_OK) != 0) {
    throw Error(Code::bad_request, "--hook " + options.hook + ": it cannot be run",
                "give the path of an executable file");
  }
  (void)options.how.spec();
}

}  // namespace

void add_drain_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<DrainOptions>();
  auto* command =
      app.add_subcommand("drain", "Cordon a host and move every job away from it, live");
  command->add_option("host", options->host, "HOST[:PORT] of the agent to drain")->required();
  command
      ->add_option("--to", options->to, "HOST[:PORT],... to move to (default: the agent's peers)")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--parallel", options->parallel, "Migrations at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--deadline", options->deadline, "Cancel what is not committed by then")
      ->capture_default_str();
  command
      ->add_option("--policy", options->policy,
                   "migrate: live; snapshot-only: a last snapshot each, then stop")
      ->check(CLI::IsMember({"migrate", "snapshot-only"}))
      ->capture_default_str();
  command->add_option("--hook", options->hook, "Program to run before and after each job");
  command->add_option("--reason", options->reason, "Of the cordon")->capture_default_str();
  command->add_flag("--dry-run", options->dry_run, "Show the placement only");
  options->how.add_to(*command);
  options->how.add_rehearsal_to(*command);
  command->callback([&context, &run, options] {
    run = [&context, options] {
      check(*options);
      const auto carry_out = [&](auto drain) {
        return options->dry_run ? drain->dry_run() : drain->run();
      };
      if (options->policy == "snapshot-only") {
        return carry_out(std::make_unique<DrainToStores>(context, *options));
      }
      return carry_out(std::make_unique<Drain>(context, *options));
    };
  });
}

}  // namespace cardswap::cli
