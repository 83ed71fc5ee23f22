#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "agent/cli/agent_client.h"
#include "agent/cli/exit_codes.h"
#include "agent/cli/interrupts.h"

namespace cardswap::cli {

/// The options and signals that all commands share. It outlives the command.
struct Context {
  std::string agent;             ///< socket's path or HOST[:PORT]
  std::string output = "table";  ///< "table" or "json"
  bool quiet = false;            ///< only errors are shown
  Credentials credentials;
  /// SIGINT and SIGTERM, blocked from the beginning of main. A command that handles them itself
  /// sets `handles_interrupts` when it is chosen; for all others they act as usual again before it
  /// runs.
  Interrupts interrupts;
  bool handles_interrupts = false;

  [[nodiscard]] bool wants_json() const { return output == "json"; }
  /// A client of the chosen agent. Throws as Client() does.
  [[nodiscard]] Client client() const { return Client(agent, credentials); }
  /// Prints `answer` to stdout: as JSON if that was asked for, else `text(answer)` unless quiet.
  void show(const boost::json::object& answer,
            const std::function<std::string(const boost::json::object&)>& text) const;
};

/// "user@host" of this process, for records that people read.
[[nodiscard]] std::string whoami();

/// Runs the command that was chosen and returns its exit code. Throws Error.
using Run = std::function<Exit()>;

/// Each adds its commands to `app`, which keep references to `context` and `run`. When CLI11 parses
/// one of them, it sets `run`.
void add_bisect_command(CLI::App& app, Context& context, Run& run);
void add_check_command(CLI::App& app, Context& context, Run& run);
void add_cordon_commands(CLI::App& app, Context& context, Run& run);
void add_diff_command(CLI::App& app, Context& context, Run& run);
void add_drain_command(CLI::App& app, Context& context, Run& run);
void add_export_command(CLI::App& app, Context& context, Run& run);
void add_follow_command(CLI::App& app, Context& context, Run& run);
void add_forget_command(CLI::App& app, Context& context, Run& run);
void add_health_commands(CLI::App& app, Context& context, Run& run);
void add_history_command(CLI::App& app, Context& context, Run& run);
void add_jobs_command(CLI::App& app, Context& context, Run& run);
void add_logs_command(CLI::App& app, Context& context, Run& run);
void add_migrate_command(CLI::App& app, Context& context, Run& run);
void add_pki_commands(CLI::App& app, Context& context, Run& run);
void add_protect_command(CLI::App& app, Context& context, Run& run);
void add_prune_command(CLI::App& app, Context& context, Run& run);
void add_recompute_command(CLI::App& app, Context& context, Run& run);
void add_report_command(CLI::App& app, Context& context, Run& run);
void add_restore_command(CLI::App& app, Context& context, Run& run);
void add_resume_command(CLI::App& app, Context& context, Run& run);
void add_rollback_command(CLI::App& app, Context& context, Run& run);
void add_run_command(CLI::App& app, Context& context, Run& run);
void add_show_command(CLI::App& app, Context& context, Run& run);
void add_snapshot_command(CLI::App& app, Context& context, Run& run);
void add_status_commands(CLI::App& app, Context& context, Run& run);
void add_stop_command(CLI::App& app, Context& context, Run& run);
void add_top_command(CLI::App& app, Context& context, Run& run);
void add_verify_command(CLI::App& app, Context& context, Run& run);

}  // namespace cardswap::cli
