#include <boost/json.hpp>
#include <memory>

#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/text/protection_text.h"
#include "agent/cli/text/recovery_text.h"
#include "agent/cli/text/text.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

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

}  // namespace

void add_jobs_command(CLI::App& app, Context& context, Run& run) {
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

}  // namespace cardswap::cli
