#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace cardswap::test {

/// A file system of a few MiB at a folder of its own, which a test can fill to the last byte: what
/// is written there then fails as on any full disk. Gone with its owner.
class SmallDisk {
 public:
  /// Why this machine cannot have one, or nothing.
  [[nodiscard]] static std::optional<std::string> missing();
  explicit SmallDisk(std::filesystem::path at);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  /// Takes every byte there is. Throws when a byte is left.
  void fill();
  void empty();

 private:
  std::filesystem::path at_;
};

}  // namespace cardswap::test
