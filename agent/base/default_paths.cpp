#include "agent/base/default_paths.h"

#include <unistd.h>

#include <cstdlib>

namespace cardswap {

std::filesystem::path default_data_dir() {
  if (::geteuid() == 0) return "/var/lib/cardswap";
  const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe): before any thread
  if (home == nullptr || *home != '/') return {};
  return std::filesystem::path(home) / ".local/state/cardswap";
}

}  // namespace cardswap
