#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"

namespace cardswap::criu {

/// The CRIU of this host.
struct CriuProgram {
  std::string path;     ///< empty: there is no CRIU
  std::string version;  ///< "4.1.1"; empty: not known
  std::string problem;  ///< why no process can leave or arrive here; empty: it can
  /// Why no process with a TCP or UDP socket, connected or not, can leave; empty: it can.
  std::string network_fault = {};
  [[nodiscard]] bool is_usable() const { return !path.empty() && problem.empty(); }
};

/// The programs to try: only --criu if it is given ("none": no program); else CARDSWAP_CRIU, the
/// prefix that scripts/setup.sh fills, and all folders of PATH, in this order, each program once.
[[nodiscard]] std::vector<std::string> tools_to_try(const Config& config);
/// Finds this host's CRIU: runs each of tools_to_try() with `--version` and `check`, some 100 ms
/// each, until one has no fault. Otherwise returns the first usable one, or the first one with its
/// problem.
boost::asio::awaitable<CriuProgram> probe_tool(Config config);

/// The version, "4.1.1", in the output of `criu --version`; empty for other output.
[[nodiscard]] std::string version_in(std::string_view text);
/// Whether `version` is at least 4.1.
[[nodiscard]] bool is_new_enough(std::string_view version);
/// Why this CRIU cannot dump network sockets on this kernel; empty: it can. Linux 6.16 and newer do
/// not report SO_PASSCRED of a network socket (`untold`), and CRIU before 4.2 fails then.
[[nodiscard]] std::string network_fault(std::string_view version, bool untold);

}  // namespace cardswap::criu
