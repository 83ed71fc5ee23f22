#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "migrator/base/descriptor.h"

namespace cardswap::test {

/// A folder with one file that a process of the test serves (FUSE), as any user may set one up on
/// most hosts. The server answers everything except writes: whoever waits for one waits until the
/// server ends or a deadly signal comes. Everybody may use the file.
class ServedFolder {
 public:
  static constexpr std::size_t kFileBytes = 1 << 16;

  ServedFolder();
  ~ServedFolder();
  ServedFolder(const ServedFolder&) = delete;
  ServedFolder& operator=(const ServedFolder&) = delete;

  [[nodiscard]] bool is_served() const { return server_ > 0; }
  [[nodiscard]] std::filesystem::path file() const { return folder_ / "file"; }
  /// From here on, the server answers nothing.
  void fall_silent() const;
  [[nodiscard]] bool keeps_a_write_within(std::chrono::milliseconds time) const;
  void end();

  /// Why this machine cannot have one; nothing: it can.
  [[nodiscard]] static std::optional<std::string> missing();

 private:
  std::filesystem::path folder_;
  Descriptor written_;
  pid_t server_ = 0;
};

}  // namespace cardswap::test
