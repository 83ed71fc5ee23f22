#pragma once

#include <list>
#include <map>
#include <optional>
#include <string>

#include "agent/cli/command_context.h"
#include "agent/cli/drain_item.h"

namespace cardswap::cli {

/// What a drain shows: a line of a table as each job ends on stdout, progress on stderr, the end.
class DrainView {
 public:
  /// The drained host, as it was asked for, as its agent is called, and as it calls itself.
  struct Names {
    std::string asked;
    std::string agent;
    std::string host;
  };
  DrainView(const Context& context, bool dry_run) : context_(context), dry_run_(dry_run) {}

  /// Prints the heading, and those that are over already. `to_width`: of the widest target.
  void begin(const std::string& host, const std::list<DrainItem>& items, std::size_t to_width);
  /// Prints one that is over; nothing before begin().
  void print(const DrainRow& row);
  /// Shows progress: on a terminal as one line that is drawn again; else as a line where a state
  /// changed.
  void show_progress(const std::list<DrainItem>& items);
  /// Clears the line of progress, before anything else is written to the terminal.
  void clear_progress();
  /// Prints the end. `stopped`: by the interrupt or the deadline; empty: by neither.
  Exit end(const Names& names, const std::list<DrainItem>& items, const std::string& stopped);

 private:
  const Context& context_;
  const bool dry_run_;
  std::optional<DrainTable> table_;
  std::map<std::string, std::string> shown_states_;  // job: the state that was last told
  bool drawn_ = false;
};

}  // namespace cardswap::cli
