#include <fmt/format.h>

#include <boost/json.hpp>
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "agent/base/default_paths.h"
#include "agent/base/printable.h"
#include "agent/cli/command_context.h"
#include "agent/cli/completion.h"
#include "agent/cli/verb_suggestions.h"

namespace {

std::string default_agent() {
  const char* chosen = std::getenv("CARDSWAP_AGENT");  // NOLINT(concurrency-mt-unsafe)
  if (chosen != nullptr && *chosen != 0) return chosen;
  const auto dir = cardswap::default_data_dir();
  return dir.empty() ? std::string() : (dir / "cardswapd.sock").string();
}

int report(const cardswap::cli::Context& context, const cardswap::Error& error) {
  if (context.wants_json()) {
    std::cerr << boost::json::serialize(
                     boost::json::object{{"error", cardswap::http::to_json(error)}})
              << "\n";
  } else {
    std::cerr << "cardswap: " << cardswap::printable_lines(error.failure()) << "\n";
    if (!error.hint().empty())
      std::cerr << "hint: " << cardswap::printable_lines(error.hint()) << "\n";
  }
  return static_cast<int>(cardswap::exit_for(error.code()));
}

/// A field that is not there, or is of another type: no answer is asked for each on its own.
cardswap::Error unreadable(const std::string& agent, const std::exception& error) {
  return {cardswap::Code::internal,
          fmt::format("what the agent at {} answered cannot be read: {}", agent, error.what()),
          "is that a cardswapd of this command's release? `cardswap version` and `cardswapd "
          "--version` tell"};
}

/// The verb in a command such as `jobs rm NAME`, which gives it behind a command that lists things;
/// empty: there is none.
std::string verb_below(const CLI::App& chosen, const std::vector<std::string>& verbs) {
  if (chosen.get_name() != "jobs" && chosen.get_name() != "status" &&
      chosen.get_name() != "devices") {
    return {};
  }
  for (const auto* option : chosen.get_options()) {
    if (!option->get_positional() || option->empty()) continue;
    return cardswap::cli::verb_called(option->results().front(), verbs);
  }
  return {};
}

/// Prints CLI11's message as this program's, and for an unknown verb the verbs that are like it.
int wrong_usage(const CLI::App& app, const CLI::ParseError& error) {
  using namespace cardswap::cli;
  const auto chosen = app.get_subcommands();
  const auto rest = app.remaining();
  std::vector<std::string> verbs;
  for (const auto* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    verbs.push_back(verb->get_name());
  }
  std::string failure = error.what();
  std::string meant;
  if (!chosen.empty()) {
    meant = verb_below(*chosen.front(), verbs);
    if (meant.empty()) meant = chosen.front()->get_name();
  } else if (rest.empty()) {
    failure = "there is no verb";
  } else {
    failure = "'" + rest.front() + "' is no verb or option";
    meant = verb_called(rest.front(), verbs);
    if (meant.empty()) meant = verb_near(rest.front(), verbs);
  }
  std::cerr << "cardswap: " << failure << "\nhint: cardswap " << (meant.empty() ? "" : meant + " ")
            << "--help\n";
  return static_cast<int>(cardswap::Exit::usage);
}

}  // namespace

void cardswap::cli::Context::show(
    const boost::json::object& answer,
    const std::function<std::string(const boost::json::object&)>& text) const {
  if (wants_json()) {
    std::cout << boost::json::serialize(answer) << "\n";
  } else if (!quiet) {
    std::cout << printable_lines(text(answer));
  }
}

namespace {

void add_commands(CLI::App& app, cardswap::cli::Context& context, cardswap::cli::Run& run) {
  using namespace cardswap;
  cli::add_run_command(app, context, run);
  cli::add_jobs_command(app, context, run);
  cli::add_logs_command(app, context, run);
  cli::add_follow_command(app, context, run);
  cli::add_stop_command(app, context, run);
  cli::add_forget_command(app, context, run);
  cli::add_migrate_command(app, context, run);
  cli::add_check_command(app, context, run);
  cli::add_report_command(app, context, run);
  cli::add_cordon_commands(app, context, run);
  cli::add_drain_command(app, context, run);
  cli::add_pki_commands(app, context, run);
  cli::add_snapshot_command(app, context, run);
  cli::add_show_command(app, context, run);
  cli::add_verify_command(app, context, run);
  cli::add_restore_command(app, context, run);
  cli::add_protect_command(app, context, run);
  cli::add_prune_command(app, context, run);
  cli::add_rollback_command(app, context, run);
  cli::add_resume_command(app, context, run);
  cli::add_recompute_command(app, context, run);
  cli::add_bisect_command(app, context, run);
  cli::add_status_commands(app, context, run);
  cli::add_top_command(app, context, run);
  cli::add_health_commands(app, context, run);
  cli::add_history_command(app, context, run);
  cli::add_diff_command(app, context, run);
  cli::add_export_command(app, context, run);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace cardswap;
  cli::Context context;
  context.agent = default_agent();
  cli::Run run;
  CLI::App app("Moves running training jobs from one device to another while they train",
               "cardswap");
  app.set_version_flag("--version", CARDSWAP_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--agent", context.agent, "Agent's socket or HOST:PORT (or $CARDSWAP_AGENT)")
      ->take_last();
  app.add_option("-o,--output", context.output, "table, wide or json")
      ->check(CLI::IsMember({"table", "wide", "json"}));
  app.add_option("--tls-cert", context.credentials.tls.certificate,
                 "Certificate (default: tls.crt in $CARDSWAP_TLS_DIR or ~/.config/cardswap)");
  app.add_option("--tls-key", context.credentials.tls.key, "Its key (default: tls.key there)");
  app.add_option("--tls-ca", context.credentials.tls.authority,
                 "Certificate of the authority (default: ca.crt there)");
  app.add_option("--token-file", context.credentials.token_file,
                 "File with a token to show instead (default: token there)");
  app.add_flag("--quiet", context.quiet, "Errors only");
  add_commands(app, context, run);
  auto* completion = app.add_subcommand("completion", "Print the bash completion script");
  completion->callback([&app, &run] {
    run = [&app] {
      std::cout << cli::bash_completion(app);
      return Exit::done;
    };
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return wrong_usage(app, error);
  }
  if (!context.handles_interrupts) context.interrupts.give_back();
  try {
    context.credentials.complete();
    return static_cast<int>(run());
  } catch (const Error& error) {
    return report(context, error);
  } catch (const std::exception& error) {
    return report(context, unreadable(context.agent, error));
  }
}
