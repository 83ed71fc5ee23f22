#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "agent/cli/agent_client.h"
#include "agent/cli/command_context.h"
#include "agent/cli/drain/drain_item.h"
#include "agent/cli/drain/drain_view.h"

namespace cardswap::cli {

/// What every kind of drain does with one job of its table: runs the hook, and ends the row. One
/// thread; `view` outlives it.
class DrainRows {
 public:
  /// `hook` is a program that is run before and after each job; empty: none. `drained` is the
  /// address of the drained agent, for the hook.
  DrainRows(std::string hook, std::string drained, DrainView& view);

  /// Runs the hook, if one was given, for 300 s at most; returns why it failed, or "".
  [[nodiscard]] std::string run_hook(const DrainItem& item, const std::string& phase);
  /// The item is over. Runs the hook with "after" if the item says so, and prints the row.
  void finish(DrainItem& item, std::string result, std::string note);

 private:
  const std::string hook_;
  const std::string drained_;
  DrainView& view_;
};

/// Cordons the drained host. `cordons` is the agent's answer to GET /v1/cordon: a cordon of the
/// host that is there already stays, with its reason, which is older. Throws what Client::call()
/// throws.
void cordon_host(Client client, const boost::json::object& cordons, const std::string& reason);

}  // namespace cardswap::cli
