#include "agent/base/boot.h"

#include <fstream>

namespace cardswap {

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

std::int64_t booted_at_ms() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    std::int64_t seconds = 0;
    if (word == "btime" && file >> seconds) return seconds * 1000;
  }
  return 0;
}

}  // namespace cardswap
