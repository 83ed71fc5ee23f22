#include "cuda/cudart.h"

#include <fmt/format.h>

#include "migrator/base/error.h"

namespace cardswap::cuda {

void check(Cudart& runtime, Status status, const char* call, int device, std::size_t bytes) {
  if (status == Status::ok) return;
  const auto size = bytes == 0 ? std::string() : fmt::format(" of {} bytes", bytes);
  const auto failure = fmt::format("{}{} on cuda:{}: {} ({})", call, size, device,
                                   runtime.text(status), static_cast<int>(status));
  if (status == Status::no_memory) {
    throw Error(Code::no_memory, failure, "`nvidia-smi` shows who holds the device's memory");
  }
  throw Error(Code::internal, failure, "`nvidia-smi -q` and the kernel log say what the GPU has");
}

}  // namespace cardswap::cuda
