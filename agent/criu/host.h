#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/config.h"
#include "agent/criu/hooks.h"
#include "agent/criu/tool.h"

namespace cardswap::criu {

/// What this host has for moving processes. Owned by the agent; one thread.
class Host {
 public:
  explicit Host(const Config& config) : config_(config) {}

  /// Steps around CRIU for state that it does not know; none by default.
  Hooks hooks;

  /// Looks for CRIU, once; returns when that is done, whoever began it.
  boost::asio::awaitable<void> look();
  [[nodiscard]] const Tool& tool() const { return tool_; }

 private:
  const Config& config_;
  Tool tool_{"", "", "not looked for yet"};
  bool looking_ = false;
  bool looked_ = false;
};

}  // namespace cardswap::criu
