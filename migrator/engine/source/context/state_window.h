#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "migrator/base/mutex.h"
#include "migrator/device/fence.h"

namespace cardswap {

/// The time between two optimizer steps, in which tracked tensors do not change.
///
/// The training thread closes the window before an optimizer step and opens it afterwards. close()
/// waits only for a Read that exists already; no new one begins meanwhile. One reader at a time.
class StateWindow {
 public:
  /// A read. While it exists close() waits. Movable; the window outlives it.
  class Read {
   public:
    Read(StateWindow* window, std::uint64_t step, Fence fence)
        : window_(window), step_(step), fence_(std::move(fence)) {}
    Read(Read&& other) noexcept
        : window_(std::exchange(other.window_, nullptr)),
          step_(other.step_),
          fence_(std::move(other.fence_)) {}
    Read& operator=(Read&&) = delete;
    ~Read() {
      if (window_ != nullptr) window_->leave();
    }
    /// The boundary of the state that is read.
    [[nodiscard]] std::uint64_t step() const { return step_; }
    /// The state may be read after the work before this fence is done.
    [[nodiscard]] const Fence& fence() const { return fence_; }

   private:
    StateWindow* window_;
    std::uint64_t step_;
    Fence fence_;
  };

  // ---- training thread
  /// Closes the window; blocks while a Read exists.
  void close();
  /// Opens the window for the state of `step`, to be read after `fence`.
  void open(std::uint64_t step, Fence fence = {});

  // ---- a reader
  /// Begins a read. Nullopt: the window is closed, or being closed, or another Read exists.
  [[nodiscard]] std::optional<Read> try_read();

  /// Whether a state can be read; false from the beginning of close() on.
  [[nodiscard]] bool is_open() const;
  /// The sum of the waits in close().
  [[nodiscard]] double waited_ms() const;

 private:
  void leave();

  mutable Mutex mutex_;
  Condition changed_;
  bool open_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool being_read_ CARDSWAP_GUARDED_BY(mutex_) = false;
  std::uint64_t step_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  Fence fence_ CARDSWAP_GUARDED_BY(mutex_);
  double waited_ms_ CARDSWAP_GUARDED_BY(mutex_) = 0;
};

}  // namespace cardswap
