#include <memory>
#include <string>

#include "agent/cli/command_context.h"
#include "agent/cli/follow/follow_by_api.h"
#include "agent/cli/follow/follow_in_place.h"
#include "migrator/base/environment.h"

namespace cardswap::cli {
namespace {

/// A process of the job itself: it may have no right to the agent's API, and needs none.
bool is_of_job(const FollowedJob& followed) {
  return followed.rank && environment::value_of(environment::kJob) == followed.job &&
         !environment::value_of(environment::kSocket).empty() &&
         !environment::value_of(environment::kToken).empty();
}

}  // namespace

void add_follow_command(CLI::App& app, Context& context, Run& run) {
  auto name = std::make_shared<std::string>();
  auto* command = app.add_subcommand(
      "follow", "Wait for the end of a job wherever it has moved, and end as it ends");
  command->add_option("name", *name, "Job that was started on this host, or JOB/RANK")->required();
  command->callback([&context, &run, name] {
    context.handles_interrupts = true;
    run = [&context, name] {
      const auto followed = followed_job(*name);
      if (!is_of_job(followed)) return follow_by_api(context, followed);
      return follow_in_place(followed, environment::value_of(environment::kSocket),
                             environment::value_of(environment::kToken));
    };
  });
}

}  // namespace cardswap::cli
