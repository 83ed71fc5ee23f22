#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "tests/support/served_folder.h"

namespace cardswap::test {

/// A process of `user` that holds the lock of its own memory map: whoever reads its memory waits
/// until the trap ends or a deadly signal comes. It makes a page of a served file dirty through one
/// mapping, and maps the file again past the page cache: the kernel first writes the page back,
/// with the lock held, and the server does not answer that write.
class MemoryTrap {
 public:
  explicit MemoryTrap(uid_t user);
  ~MemoryTrap();
  MemoryTrap(const MemoryTrap&) = delete;
  MemoryTrap& operator=(const MemoryTrap&) = delete;

  /// The process; 0: the trap could not be set.
  [[nodiscard]] pid_t pid() const { return is_set_ ? process_ : 0; }
  /// Why this machine cannot have one; nothing: it can.
  [[nodiscard]] static std::optional<std::string> missing();

 private:
  ServedFolder folder_;
  pid_t process_ = 0;
  bool is_set_ = false;
};

}  // namespace cardswap::test
