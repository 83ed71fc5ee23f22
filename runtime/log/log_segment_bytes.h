#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "migrator/store/log_format.h"
#include "runtime/log/logged_step.h"

namespace cardswap {

/// The bytes of a segment as they lie: heads that were made for it, and the gradients where the
/// program's backward pass has left them. Bytes of a GPU are brought to the host's memory first.
class LogSegmentBytes {
 public:
  explicit LogSegmentBytes(const store::LogStart& start);
  /// Adds a step, which outlives this. Throws Error{bad_request} for one with too many values, and
  /// what a device throws.
  void add(const LoggedStep& step, const std::optional<Digest>& root);
  [[nodiscard]] std::span<const std::span<const std::byte>> pieces() const { return pieces_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  void own(std::vector<std::byte> bytes);
  void refer(std::span<const std::byte> bytes);

  std::vector<std::unique_ptr<const std::vector<std::byte>>> own_;
  std::vector<std::span<const std::byte>> pieces_;
  std::vector<std::shared_ptr<const void>> staged_;
  std::uint64_t size_ = 0;
};

}  // namespace cardswap
