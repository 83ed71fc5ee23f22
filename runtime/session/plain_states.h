#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cardswap/tracking.h"

/// Tracked state without a type that Cardswap knows: by callbacks, or as bare memory.
namespace cardswap {

/// State that callbacks of the program save and load.
class CallbackState final : public TrackedState {
 public:
  CallbackState(std::function<std::vector<std::byte>()> save,
                std::function<void(std::span<const std::byte>)> load)
      : save_(std::move(save)), load_(std::move(load)) {}
  std::vector<std::byte> save() override { return save_(); }
  void load(std::span<const std::byte> bytes) override { load_(bytes); }

 private:
  const std::function<std::vector<std::byte>()> save_;
  const std::function<void(std::span<const std::byte>)> load_;
};

/// Memory that the program owns.
class MemoryState final : public TrackedState {
 public:
  explicit MemoryState(std::span<std::byte> memory) : memory_(memory) {}
  void regions(std::vector<TrackedRegion>& out) override {
    out.push_back({"", "bytes", "", memory_, memory_.empty() ? nullptr : memory_.data(), {}});
  }

 private:
  const std::span<std::byte> memory_;
};

/// Memory of Session::allocate(), which is in the arena from the start.
class ArenaState final : public TrackedState {
 public:
  explicit ArenaState(std::shared_ptr<std::span<std::byte>> block) : block_(std::move(block)) {}
  void regions(std::vector<TrackedRegion>& out) override {
    out.push_back({"", "bytes", "", *block_, block_->empty() ? nullptr : block_->data(), block_});
  }

 private:
  const std::shared_ptr<std::span<std::byte>> block_;  // owners: this, and each StateView in use
};

}  // namespace cardswap
