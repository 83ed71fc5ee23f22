#pragma once

#include <list>
#include <map>
#include <optional>
#include <string>

#include "agent/cli/command_context.h"
#include "agent/cli/drain/drain_item.h"
#include "agent/cli/text/progress_line.h"

namespace cardswap::cli {

/// Shows a drain: on stdout a line for each job that is over, and a summary; on stderr the
/// progress.
class DrainView {
 public:
  /// The drained host: as the user wrote it, the address of its agent, and its own name.
  struct Names {
    std::string asked;
    std::string agent;
    std::string host;
  };
  DrainView(const Context& context, bool dry_run) : context_(context), dry_run_(dry_run) {}

  /// Prints the heading and the items that are over already. `to_width` is the length of the
  /// longest target.
  void begin(const std::string& host, const std::list<DrainItem>& items, std::size_t to_width);
  /// Prints the line of a job that is over; does nothing before begin().
  void print(const DrainRow& row);
  /// Shows how far the migrations are: on a terminal in one line that is drawn again, else in a
  /// line whenever a state has changed.
  void show_progress(const std::list<DrainItem>& items);
  /// Clears the line of progress; call it before anything else is written to the terminal.
  void clear_progress() { line_.clear(); }
  /// Prints the summary. `stopped` is what stopped the drain, "interrupt" or "deadline"; empty:
  /// nothing did. Returns done if all jobs are gone (dry run: fit), else failed, or aborted if it
  /// was stopped.
  Exit end(const Names& names, const std::list<DrainItem>& items, const std::string& stopped);

 private:
  const Context& context_;
  const bool dry_run_;
  std::optional<DrainTable> table_;
  std::map<std::string, std::string> shown_states_;  // job: the state that was last shown
  ProgressLine line_;
};

}  // namespace cardswap::cli
