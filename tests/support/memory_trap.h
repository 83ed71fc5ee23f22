#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

namespace cardswap::test {

/// A process of a user that holds the lock of its own memory map: whoever reads its memory waits
/// until the trap ends, and only a signal that kills ends that wait. It maps a file of a file
/// system (FUSE) whose server does not answer, which any user may set up on most hosts.
class MemoryTrap {
 public:
  explicit MemoryTrap(uid_t user);
  ~MemoryTrap();
  MemoryTrap(const MemoryTrap&) = delete;
  MemoryTrap& operator=(const MemoryTrap&) = delete;

  /// 0: it could not be set.
  [[nodiscard]] pid_t pid() const { return is_set_ ? process_ : 0; }
  /// Why there can be none here.
  [[nodiscard]] static std::optional<std::string> missing();

 private:
  std::filesystem::path folder_;
  pid_t server_ = 0;
  pid_t process_ = 0;
  bool is_set_ = false;
};

}  // namespace cardswap::test
