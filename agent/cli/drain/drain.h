#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <list>
#include <string>
#include <vector>

#include "agent/cli/command_context.h"
#include "agent/cli/drain/drain_item.h"
#include "agent/cli/drain/drain_options.h"
#include "agent/cli/drain/drain_run.h"
#include "agent/cli/drain/drain_targets.h"

namespace cardswap::cli {

/// Moves every job away from a host. The agents do the work and own the migrations; this side only
/// chooses targets, starts migrations and follows them, so it may be killed at any time and run
/// again. One thread; `context` outlives it.
class Drain {
 public:
  /// Asks the drained agent and the targets who they are; changes nothing. Waits up to 30 s for the
  /// drained agent and 5 s for each target. Throws Error{bad_request} for options that cannot be
  /// used, Error{refused} if there is no host to move to, and what Client::call() throws.
  Drain(const Context& context, DrainOptions options);

  /// Cordons the host, and returns when every job has moved or cannot, or when the drain was
  /// stopped by the deadline or the user and nothing moves any more (a second interrupt: at once).
  /// Throws Error{source_lost} if the drained agent does not answer for 30 s or the user interrupts
  /// while it does not, Error{corrupt} if its answer has no list of jobs or an odd name, and what
  /// Client::call() throws. Any other field that is missing counts as empty.
  Exit run();
  /// Prints where the jobs would go; changes nothing.
  Exit dry_run();

 private:
  using Item = DrainItem;
  using Phase = DrainItem::Phase;

  [[nodiscard]] const http::Endpoint& drained() const { return run_.drained(); }
  void refresh();
  void note_job(Item& item, const boost::json::object& job);
  void note_ranks(Item& item, const boost::json::object& job);
  bool waits_for_its_job(Item& item);
  /// Takes up a migration that is under way; false: the agent has no such migration, or it has
  /// ended, or it is a snapshot, for which the job stays.
  bool take_up(Item& item, const std::string& migration);
  void start_waiting();
  void start(Item& item, std::string to);
  void follow();
  void conclude(Item& item);
  /// Asks what a job's move to where its row says would cost, and finishes the row.
  void predict(Item& item);
  void retry_elsewhere(Item& item, const Error& error);
  [[nodiscard]] std::vector<PlacementDevice> devices();
  [[nodiscard]] std::size_t count(Phase phase) const;
  [[nodiscard]] PlacementReason unanswered() const;

  void begin_table();

  const DrainOptions options_;
  DrainRun run_;
  DrainTargets targets_;
  std::list<Item> items_;
  std::size_t arriving_ = 0;  ///< standbys on their way to the drained host
  bool placement_is_old_ = true;
  std::chrono::steady_clock::time_point placed_at_;
};

}  // namespace cardswap::cli
