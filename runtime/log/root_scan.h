#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "migrator/base/guest_thread.h"
#include "migrator/base/mutex.h"
#include "migrator/core/layout.h"
#include "migrator/engine/state_view.h"

namespace cardswap {

/// Computes the state digest of a boundary while the program computes the next step: between two
/// optimizer steps no update rewrites anything. It reads a few chunks at a time, so that the
/// training thread, which ends it before it rewrites them, waits for these at most.
class RootScan {
 public:
  /// `settled` is told the state digest of a step, or that there is none because the next update
  /// came first, or a device failed. Called on a thread of this, or in interrupt().
  using Settled = std::function<void(std::uint64_t step, std::optional<Digest> root)>;
  explicit RootScan(Settled settled);
  ~RootScan();
  RootScan(const RootScan&) = delete;
  RootScan& operator=(const RootScan&) = delete;

  /// What is digested.
  struct Job {
    std::uint64_t step = 0;
    std::shared_ptr<const StateView> view;
    std::shared_ptr<const std::vector<ChunkSpan>> chunks;
    /// One for each chunk: known already, because it may change before the next update. Nullopt: to
    /// be read.
    std::vector<std::optional<Digest>> known;
    Digest values;
  };

  // ---- training thread
  /// Begins. The one before is over: interrupt() was called since.
  void begin(Job job);
  /// Ends the scan, if there is one, and returns once nothing is read any more.
  void interrupt();

 private:
  void run(const std::stop_token& stop);
  [[nodiscard]] std::optional<Digest> digest(const Job& job) const;

  const Settled settled_;
  std::atomic<bool> interrupted_{false};
  Mutex mutex_;
  Condition changed_;
  std::optional<Job> next_ CARDSWAP_GUARDED_BY(mutex_);
  bool is_reading_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool stops_ CARDSWAP_GUARDED_BY(mutex_) = false;
  GuestThread thread_;  // last: it uses the others
};

}  // namespace cardswap
