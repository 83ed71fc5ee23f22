#include "agent/attach/runtime_connection.h"

#include <spdlog/spdlog.h>

namespace cardswap {

void RuntimeConnection::send(const channel::Message& message) {
  if (closed) return;
  const auto frame = channel::encode(message);
  if (out.add({reinterpret_cast<const char*>(frame.data()), frame.size()})) return;
  spdlog::warn("process {} reads nothing of what its agent says: its connection is closed",
               process);
  close();
}

}  // namespace cardswap
