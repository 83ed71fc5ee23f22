#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>

#include "agent/jobs/process.h"

namespace cardswap::criu {

/// What has to be done to a process around CRIU, for state that CRIU does not know, such as a
/// driver's. Empty members do nothing. Each throws Error, which ends the move; `undo` does not.
struct Hooks {
  using Step = std::function<boost::asio::awaitable<void>(ProcessId root)>;
  Step before_dump;    ///< the source's tree, which runs and waits
  Step after_restore;  ///< the restored tree, before it is told that it arrived
  Step undo;           ///< the source's tree again: the move was given up
};

}  // namespace cardswap::criu
