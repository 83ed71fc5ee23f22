#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/config.h"

namespace cardswap::criu {

/// The CRIU of this host.
struct Tool {
  std::string path;  ///< empty: there is none
  std::string version;
  std::string problem;  ///< why no process can leave or arrive here; empty: it can
  [[nodiscard]] bool usable() const { return !path.empty() && problem.empty(); }
};

/// --criu, then CARDSWAP_CRIU, the prefix that scripts/setup.sh fills, and PATH; empty: none.
[[nodiscard]] std::string find_tool(const Config& config);
/// Asks it for its version and what it says of this kernel; takes some 100 ms.
boost::asio::awaitable<Tool> probe_tool(Config config);

/// "4.1.1" of what `criu --version` prints; empty when it prints something else.
[[nodiscard]] std::string version_in(std::string_view text);
/// Whether `version` is at least 4.1.
[[nodiscard]] bool is_new_enough(std::string_view version);

}  // namespace cardswap::criu
