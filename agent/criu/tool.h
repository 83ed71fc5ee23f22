#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"

namespace cardswap::criu {

/// The CRIU of this host.
struct Tool {
  std::string path;  ///< empty: there is none
  std::string version;
  std::string problem;  ///< why no process can leave or arrive here; empty: it can
  /// Why no process that has a TCP or UDP socket can leave, be it connected or not; empty: it can.
  std::string network_fault = {};
  [[nodiscard]] bool is_usable() const { return !path.empty() && problem.empty(); }
};

/// The programs to try: --criu alone where it is given; else CARDSWAP_CRIU, the prefix that
/// scripts/setup.sh fills, and all of PATH, in this order, each program once.
[[nodiscard]] std::vector<std::string> tools_to_try(const Config& config);
/// Asks each of them for its version and what it says of this kernel, until one is without a fault;
/// takes some 100 ms each. Where none is, the first that works is taken, or the first at all.
boost::asio::awaitable<Tool> probe_tool(Config config);

/// "4.1.1" of what `criu --version` prints; empty when it prints something else.
[[nodiscard]] std::string version_in(std::string_view text);
/// Whether `version` is at least 4.1.
[[nodiscard]] bool is_new_enough(std::string_view version);
/// Linux 6.16 and newer do not tell SO_PASSCRED of a network socket, and CRIU before 4.2 gives up
/// then. `untold`: this kernel does not. Empty: no fault.
[[nodiscard]] std::string network_fault(std::string_view version, bool untold);

}  // namespace cardswap::criu
