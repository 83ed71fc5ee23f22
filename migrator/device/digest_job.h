#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <vector>

#include "migrator/base/guest_thread.h"
#include "migrator/base/mutex.h"
#include "migrator/device/device.h"

namespace cardswap {

/// Digests chunks, behind `after`, on threads of its own while its owner keeps the link alive.
///
/// Reads memory that others may write: a torn read gives a digest of bytes that never were, which
/// only makes a chunk count as different. `wake` is called from a thread when all is done. The
/// ranges must stay valid until the job is destroyed; the destructor stops early and joins.
class DigestJob {
 public:
  DigestJob(std::vector<MemoryRange> chunks, Fence after, unsigned threads,
            std::function<void()> wake);

  [[nodiscard]] bool is_done() const { return finished_threads_ == thread_count_; }
  /// How many chunks, from the first on, are digested by now. The owner's thread.
  [[nodiscard]] std::size_t ready();
  /// The digest of a chunk below ready().
  [[nodiscard]] const Digest& digest(std::size_t chunk) const { return digests_[chunk]; }
  /// `wake` is to be called as soon as there is more than ready() says, once.
  void wake_for_more() { wakes_for_more_ = true; }
  /// The digests, one a chunk, in order; call when is_done(). Throws what a device threw.
  [[nodiscard]] const std::vector<Digest>& digests() const;
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// How long it took, once is_done().
  [[nodiscard]] std::chrono::steady_clock::duration took() const { return took_; }

 private:
  /// Neighbours on one device, digested with one call.
  struct Batch {
    std::size_t first = 0;
    std::size_t count = 0;
    std::atomic<bool> done{false};
  };
  void cut_into_batches();
  void work(const std::stop_token& stop);

  const std::vector<MemoryRange> chunks_;
  const Fence after_;
  std::deque<Batch> batches_;
  std::size_t batches_ready_ = 0;  // the owner's
  std::vector<Digest> digests_;
  std::size_t bytes_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> finished_threads_{0};
  std::atomic<bool> wakes_for_more_{false};
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration took_{};  // of the last thread's end
  unsigned thread_count_;
  std::function<void()> wake_;
  mutable Mutex mutex_;
  std::exception_ptr failure_ CARDSWAP_GUARDED_BY(mutex_);
  std::vector<GuestThread> threads_;
};

}  // namespace cardswap
