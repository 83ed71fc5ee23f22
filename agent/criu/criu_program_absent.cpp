// The agent of a build with CARDSWAP_CRIU=OFF.

#include "agent/criu/criu_program.h"

namespace cardswap::criu {

std::vector<std::string> tools_to_try(const Config& /*config*/) { return {}; }

boost::asio::awaitable<CriuProgram> probe_tool(Config /*config*/) {
  co_return CriuProgram{"", "", "this cardswapd was built with CARDSWAP_CRIU=OFF"};
}

}  // namespace cardswap::criu
