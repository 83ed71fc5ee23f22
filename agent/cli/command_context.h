#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "agent/cli/client.h"
#include "agent/cli/exit_codes.h"
#include "agent/cli/interrupts.h"

namespace cardswap::cli {

/// What every command shares.
struct Context {
  std::string agent;
  std::string output = "table";
  bool quiet = false;
  Credentials credentials;
  /// The signals that end a command, blocked from the first thing in main on. A command that looks
  /// at them says so when it is chosen; for all others they are as usual again before it runs.
  Interrupts interrupts;
  bool handles_interrupts = false;

  [[nodiscard]] bool wants_json() const { return output == "json"; }
  [[nodiscard]] Client client() const { return Client(agent, credentials); }
  /// Shows the API's object as JSON, or the text made of it.
  void show(const boost::json::object& answer,
            const std::function<std::string(const boost::json::object&)>& text) const;
};

/// "user@host": who asks, for a record that people read.
[[nodiscard]] std::string whoami();

using Run = std::function<Exit()>;

/// Each adds its commands to `app`; the one that was given sets `run`.
void add_job_commands(CLI::App& app, Context& context, Run& run);
void add_check_command(CLI::App& app, Context& context, Run& run);
void add_migrate_command(CLI::App& app, Context& context, Run& run);
void add_report_command(CLI::App& app, Context& context, Run& run);
void add_cordon_commands(CLI::App& app, Context& context, Run& run);
void add_drain_command(CLI::App& app, Context& context, Run& run);
void add_health_commands(CLI::App& app, Context& context, Run& run);
void add_pki_commands(CLI::App& app, Context& context, Run& run);
void add_snapshot_commands(CLI::App& app, Context& context, Run& run);
void add_status_commands(CLI::App& app, Context& context, Run& run);
void add_top_command(CLI::App& app, Context& context, Run& run);

}  // namespace cardswap::cli
