#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>

#include "agent/base/units.h"
#include "agent/cli/command_context.h"
#include "agent/cli/snapshots/cadence.h"
#include "agent/cli/text/protection_text.h"
#include "migrator/base/error.h"
#include "migrator/store/keep_rule_text.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

struct ProtectOptions {
  std::string job;
  std::string every;
  std::string store;
  std::string keep = store::to_string(store::KeepRule{});
  std::string grace = kProtectGrace;
  std::string mtbf;
  LogOptions log;
};

Exit protect(const Context& context, const ProtectOptions& options) {
  const auto cadence = cadence_from(options.every);
  const auto path = fmt::format("/v1/jobs/{}/protection", http::percent_encoded(options.job));
  if (cadence.is_off()) {
    context.show(context.client().call("DELETE", path), [](const json::object& job) {
      return fmt::format("job {} is not protected any more; its snapshots stay\n",
                         std::string_view(job.at("name").as_string()));
    });
    return Exit::done;
  }
  if (options.store.empty()) {
    throw Error(Code::bad_request, "protect it where?",
                "--to file:/FOLDER, of the job's host; its user writes there");
  }
  auto body = protection_body(options.store, cadence, store::keep_rule_from(options.keep),
                              options.grace, options.mtbf);
  add_log(body, options.log);
  context.show(context.client().call("POST", path, std::move(body)), [](const json::object& job) {
    return fmt::format("job {} is {}`cardswap jobs {}` tells how it goes\n",
                       std::string_view(job.at("name").as_string()),
                       protection_text(job, unix_ms()),
                       std::string_view(job.at("name").as_string()));
  });
  return Exit::done;
}

}  // namespace

void add_protect_command(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<ProtectOptions>();
  auto* command = app.add_subcommand(
      "protect", "Take snapshots of a running job again and again, without being asked each time");
  command->add_option("job", options->job, "Job of this host")->required();
  command
      ->add_option(
          "--every", options->every,
          "Steps, such as 100; a time, such as 10m; auto: as its snapshots' cost asks for; "
          "or off")
      ->required();
  command->add_option("--mtbf", options->mtbf,
                      "For auto: mean time between failures of the job, such as 24h (default: as "
                      "the agent is set up, 24h)");
  command->add_option("--to", options->store, "file:/FOLDER, of the job's host");
  command
      ->add_option("--keep", options->keep,
                   "Snapshots of each branch that are kept; all: every one")
      ->capture_default_str();
  command
      ->add_option("--grace", options->grace,
                   "How long others stay in the store's trash before they are removed")
      ->capture_default_str();
  command
      ->add_option(
          "--log", options->log.mode,
          "Keep the gradients of the steps between: async: behind the training; sync: each "
          "step waits until its own are in the store; off")
      ->check(CLI::IsMember({"off", "async", "sync"}))
      ->capture_default_str();
  command->add_option("--window", options->log.window,
                      "How much of that log is kept, such as 200steps,50GiB (default: all that "
                      "leads on from a snapshot)");
  command->callback([&context, &run, options] {
    run = [&context, options] { return protect(context, *options); };
  });
}

}  // namespace cardswap::cli
