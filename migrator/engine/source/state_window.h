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
/// The training thread closes the window before it steps and opens it after; it waits in close()
/// only for a reader that is in the middle of something, and a new reader does not get in front of
/// it. One reader at a time.
class StateWindow {
 public:
  /// A read that keeps the window open; movable, ends with its destruction.
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
    /// Steps completed in what is read.
    [[nodiscard]] std::uint64_t step() const { return step_; }
    /// The fence behind which it is to be read.
    [[nodiscard]] const Fence& fence() const { return fence_; }

   private:
    StateWindow* window_;
    std::uint64_t step_;
    Fence fence_;
  };

  // ---- training thread
  void close();
  void open(std::uint64_t step, Fence fence = {});

  // ---- a reader
  /// Begins a read; none while a step is being taken.
  [[nodiscard]] std::optional<Read> try_read();

  /// Whether the step's state is there to be read; not from the beginning of close() on.
  [[nodiscard]] bool is_open() const;
  /// How long close() has waited for readers, all in all.
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
