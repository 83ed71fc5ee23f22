#include "agent/criu/host.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "agent/task_group.h"

namespace cardswap::criu {

boost::asio::awaitable<void> Host::look() {
  while (looking_ && !looked_) co_await pause_for(std::chrono::milliseconds(10));
  if (looked_) co_return;
  looking_ = true;
  std::error_code error;
  std::filesystem::create_directories(config_.handover_dir(), error);
  ::chmod(config_.handover_dir().c_str(), 01733);
  auto found = co_await probe_tool(config_);
  if (found.usable()) {
    spdlog::info("processes can be moved with CRIU {} at {}", found.version, found.path);
  } else {
    spdlog::info("processes cannot be moved here: {}", found.problem);
  }
  tool_ = std::move(found);
  looked_ = true;
}

}  // namespace cardswap::criu
