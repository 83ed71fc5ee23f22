#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "cardswap/tracking.h"

namespace cardswap {

/// The hook of Session::after_step() as a replayable optimizer: its log entry is one empty
/// gradient, and to replay it is to call it. Training thread only.
class StepHook final : public TrackedState, public ReplayableOptimizer {
 public:
  using Storages = std::function<std::vector<const void*>()>;

  StepHook(std::function<void()> hook, Storages rewrites)
      : hook_(std::move(hook)), rewrites_(std::move(rewrites)) {}

  void call() const { hook_(); }

  ReplayableOptimizer* replayable() override { return this; }
  bool is(const void* optimizer) const override { return optimizer == this; }
  std::vector<std::vector<const void*>> rewritten() override { return {rewrites_()}; }
  std::size_t parameter_count() override { return 1; }
  TrackedUpdate capture() override { return {{}, {{0, {}, nullptr}}}; }
  bool has_gradients() const override { return false; }
  void replay(const TrackedUpdate& update) override {
    if (!update.gradients.empty()) hook_();
  }

 private:
  const std::function<void()> hook_;
  const Storages rewrites_;
};

}  // namespace cardswap
