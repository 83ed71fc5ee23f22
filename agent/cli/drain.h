#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <list>
#include <string>
#include <vector>

#include "agent/cli/command_context.h"
#include "agent/cli/drain_item.h"
#include "agent/cli/drain_targets.h"
#include "agent/cli/drain_view.h"
#include "agent/cli/interrupts.h"
#include "agent/cli/migration_options.h"

namespace cardswap::cli {

/// What `cardswap drain` was asked for.
struct DrainOptions {
  std::string host;
  std::vector<std::string> to;
  std::size_t parallel = 2;
  std::string deadline = "none";
  std::string policy = "migrate";
  std::string hook;
  std::string reason = "drain";
  bool dry_run = false;
  MigrationOptions how;
};

/// Moves every job away from a host. The agents do the work and own the migrations: this side only
/// chooses, starts and watches, so that it may be killed and run again at any time.
class Drain {
 public:
  /// Asks who is there, changes nothing. Throws Error.
  Drain(const Context& context, DrainOptions options);

  Exit run();
  Exit dry_run();

 private:
  using Item = DrainItem;
  using Phase = DrainItem::Phase;

  /// The client for one call to the drained agent.
  [[nodiscard]] Client client() const { return {drained_, context_.credentials}; }
  boost::json::object ask(const std::string& path);
  void cordon();
  void refresh();
  void note_job(Item& item, const boost::json::object& job);
  bool resume(Item& item, const std::string& migration);
  void start_some();
  void start(Item& item, const PlacementDevice& device);
  void follow();
  void ended(Item& item);
  void retry_elsewhere(Item& item, const Error& error);
  void over(Item& item, std::string result, std::string note);
  void stop(const std::string& why);
  [[nodiscard]] std::vector<PlacementDevice> devices();
  [[nodiscard]] std::string hook(Item& item, const std::string& phase);
  [[nodiscard]] std::size_t count(Phase phase) const;
  [[nodiscard]] PlacementReason unanswered() const;

  void begin_table();
  Exit finish();

  const Context& context_;
  DrainOptions options_;
  http::Endpoint drained_;
  std::string host_name_;
  std::chrono::steady_clock::time_point deadline_;
  Interrupts interrupts_;
  DrainTargets targets_;
  DrainView view_;
  std::list<Item> items_;
  std::size_t arriving_ = 0;  ///< standbys on their way to the drained host
  std::string stopped_;       ///< interrupt or deadline
  bool placement_is_old_ = true;
  std::chrono::steady_clock::time_point placed_at_;
};

}  // namespace cardswap::cli
