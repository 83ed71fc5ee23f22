#include "agent/process/program_beside.h"

namespace cardswap {

std::filesystem::path program_beside(const std::string& name) {
  std::error_code unknown;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", unknown);
  return self.parent_path() / name;
}

}  // namespace cardswap
