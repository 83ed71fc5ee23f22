#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "agent/cli/command_context.h"
#include "agent/cli/text/fields.h"

namespace cardswap::cli {
namespace {

struct ResumeOptions {
  std::string job;
  std::uint64_t hold_at = 0;
};

Exit resume_held(const Context& context, const ResumeOptions& options) {
  const auto job = context.client().call(
      "POST", fmt::format("/v1/jobs/{}/resume", http::percent_encoded(options.job)),
      boost::json::object{{"hold_at", options.hold_at}});
  context.show(job, [](const boost::json::object& shown) {
    const auto next = text(shown, "hold_at");
    return fmt::format("job {} goes on from step {}{}\n", text(shown, "name"), text(shown, "step"),
                       next == "-" ? "" : ", and stands at step " + next);
  });
  return Exit::done;
}

}  // namespace

void add_resume_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<ResumeOptions>();
  auto* command = app.add_subcommand("resume", "Let a job go on that stands at a step");
  command->add_option("job", options->job, "Job of this host")->required();
  command->add_option("--hold-at", options->hold_at, "Step at which it stands next");
  command->callback([&context, &run, options] {
    run = [&context, options] { return resume_held(context, *options); };
  });
}

}  // namespace cardswap::cli
