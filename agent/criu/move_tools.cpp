#include "agent/criu/move_tools.h"

#include <spdlog/spdlog.h>

#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/base/task_group.h"
#include "agent/criu/criu_socket_dir.h"
#include "migrator/base/error.h"

namespace cardswap::criu {

boost::asio::awaitable<void> MoveTools::probe() {
  while (probing_ && !probed_) co_await pause_for(std::chrono::milliseconds(10));
  if (probed_) co_return;
  probing_ = true;
  try {
    co_await find();
  } catch (...) {
    probing_ = false;  // whoever asks next looks again, and waits for nobody
    throw;
  }
  probed_ = true;
}

boost::asio::awaitable<void> MoveTools::find() {
  auto found = co_await probe_tool(config_);
  try {
    if (found.is_usable()) prepare_criu_socket_dirs(config_);
  } catch (const Error& error) {
    found.problem = error.failure();
  }
  if (found.is_usable()) {
    spdlog::info("processes can be moved with CRIU {} at {}{}", found.version, found.path,
                 found.network_fault.empty() ? "" : ", but none that has a TCP or UDP socket");
  } else {
    spdlog::info("processes cannot be moved here: {}", found.problem);
  }
  tool_ = std::move(found);
  co_await cuda_.probe();
  callbacks_ = cuda_.callbacks();
  if (cuda_.is_usable()) {
    spdlog::info("their CUDA state is moved by the NVIDIA driver (CUDA {})", cuda_.version());
  }
}

boost::json::object to_json(const MoveTools& tools) {
  const auto& tool = tools.tool();
  const auto& cuda = tools.cuda();
  return {{"usable", tool.is_usable()},
          {"version", text_or_null(tool.version)},
          {"path", text_or_null(tool.path)},
          {"problem", text_or_null(tool.problem)},
          {"network_fault", text_or_null(tool.network_fault)},
          {"cuda",
           {{"usable", cuda.is_usable()},
            {"version", text_or_null(cuda.version())},
            {"changes_gpus", cuda.can_change_gpus()},
            {"problem", text_or_null(cuda.problem())}}}};
}

}  // namespace cardswap::criu
