#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cardswap/tracking.h"

namespace cardswap {

inline constexpr std::size_t kAttachedBytesMax = 4U << 20;

/// A file's bytes as a value of the job. A standby takes those of the source.
class AttachedFileState final : public TrackedState {
 public:
  explicit AttachedFileState(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
  std::vector<std::byte> save() override { return bytes_; }
  void load(std::span<const std::byte> bytes) override {
    bytes_.assign(bytes.begin(), bytes.end());
  }
  [[nodiscard]] std::string kind() const override { return "file"; }

 private:
  std::vector<std::byte> bytes_;
};

/// Reads a file that is to be attached. Throws Error{io}, and Error{bad_request} for one that is
/// larger than kAttachedBytesMax.
[[nodiscard]] std::vector<std::byte> read_attached(const std::filesystem::path& file);

}  // namespace cardswap
