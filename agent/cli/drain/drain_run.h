#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstddef>
#include <list>
#include <string>

#include "agent/cli/agent_client.h"
#include "agent/cli/command_context.h"
#include "agent/cli/drain/drain_calls.h"
#include "agent/cli/drain/drain_item.h"
#include "agent/cli/drain/drain_options.h"
#include "agent/cli/drain/drain_view.h"
#include "agent/cli/interrupts.h"

namespace cardswap::cli {

/// What every kind of drain shares: the drained agent, which may be silent for a while, the
/// deadline and the user's interrupts, the table, and the hook of each of its jobs. One thread;
/// `context` and `options` outlive it.
class DrainRun {
 public:
  /// Asks the drained agent who it is. Throws Error{bad_request} for options that cannot be used,
  /// and what Client::call() throws.
  DrainRun(const Context& context, const DrainOptions& options);

  [[nodiscard]] const http::Endpoint& drained() const { return drained_; }
  [[nodiscard]] const std::string& host_name() const { return host_name_; }
  /// The client for one call to the drained agent.
  [[nodiscard]] Client client() const { return {drained_, context_.credentials}; }
  /// Does what call_drained() does, with the drained agent.
  boost::json::object call(const DrainCall& made);
  boost::json::object ask(const std::string& path) { return call({.path = path}); }
  /// Cordons the drained host; a cordon that is there already stays, with its reason, which is
  /// older. Throws what Client::call() throws.
  void cordon();

  /// Runs the hook of an item with "before", once. False: it failed, and the item is over.
  [[nodiscard]] bool begin(DrainItem& item);
  /// The item is over. Runs the hook with "after" if begin() ran one, and prints the row.
  void finish(DrainItem& item, std::string result, std::string note);
  /// The drain ends while the agent still moves the item: the row names the migration.
  void leave(DrainItem& item);
  /// Has an item that waits not start, and asks the agent to cancel one that moves: that may be too
  /// late, and its end is awaited as before.
  void stop(DrainItem& item);

  /// What a drain does after a tick. stop: calls stop() for each item, once.
  enum class Next { go_on, stop, leave };
  /// Waits a tick for an interrupt, and looks at the deadline. The user is asked whether to stop
  /// and to cancel `moving` of `what`; a second interrupt means to leave.
  [[nodiscard]] Next tick(std::size_t moving, const std::string& what);
  /// What stopped the drain, "interrupt" or "deadline"; empty: nothing has.
  [[nodiscard]] const std::string& stopped() const { return stopped_; }

  [[nodiscard]] DrainView& view() { return view_; }
  /// Prints the summary, and says how the drain ended.
  Exit end(const std::list<DrainItem>& items);

 private:
  /// Runs the hook, if one was given, for 300 s at most; returns why it failed, or "".
  [[nodiscard]] std::string run_hook(const DrainItem& item, const std::string& phase);

  const Context& context_;
  const DrainOptions& options_;
  const http::Endpoint drained_;
  std::string host_name_;
  std::chrono::steady_clock::time_point deadline_;
  Interrupts interrupts_;
  DrainView view_;
  std::string stopped_;
};

}  // namespace cardswap::cli
