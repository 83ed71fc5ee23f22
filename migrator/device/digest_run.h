#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <span>
#include <vector>

#include "migrator/base/guest_thread.h"
#include "migrator/base/mutex.h"
#include "migrator/device/device.h"

namespace cardswap {

/// Digests chunks on threads of its own, while its owner keeps the link alive. Reads the chunks
/// after the work before the fence `after` is done.
///
/// The program may write to the chunks meanwhile: the digest of a torn read only makes a chunk
/// count as different. `wake` is called from a thread of this when all is done, also if the
/// destructor ended it early: what `wake` uses must outlive this. The memory must stay valid until
/// the job is destroyed; the destructor stops early and joins.
class DigestRun {
 public:
  /// Called on the threads of a DigestRun, with neighbours on one device that were just digested:
  /// the first one's index, and their digests. What it throws ends the run, as a device's error.
  using OnDigested = std::function<void(std::size_t first, std::span<const Digest> digests)>;

  /// `threads`: at least 1. `on_digested` may be empty. Throws std::system_error when the host has
  /// no thread left.
  DigestRun(std::vector<MemoryRange> chunks, Fence after, unsigned threads,
            std::function<void()> wake, OnDigested on_digested = {});

  /// Whether all threads have ended, also after a device threw.
  [[nodiscard]] bool is_done() const { return finished_threads_ == thread_count_; }
  /// How many chunks, counted from the first one without a gap, are digested. The owner's thread.
  [[nodiscard]] std::size_t ready();
  /// The digest of a chunk below ready().
  [[nodiscard]] const Digest& digest(std::size_t chunk) const { return digests_[chunk]; }
  /// Has `wake` called once, when the next batch of chunks is digested. Check ready() again after
  /// this call: a batch may have ended just before it.
  void wake_for_more() { wakes_for_more_ = true; }
  /// The digests, one for each chunk, in order. To be called once is_done(). Throws what a device
  /// threw.
  [[nodiscard]] const std::vector<Digest>& digests() const;
  /// The size of all chunks together.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// The time from the construction to the end; to be called once is_done().
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
  std::size_t batches_ready_ = 0;  // the owner's thread alone
  std::vector<Digest> digests_;
  std::size_t bytes_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> finished_threads_{0};
  std::atomic<bool> wakes_for_more_{false};
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration took_{};  // until the last thread ended
  unsigned thread_count_;
  std::function<void()> wake_;
  const OnDigested on_digested_;
  mutable Mutex mutex_;
  std::exception_ptr failure_ CARDSWAP_GUARDED_BY(mutex_);
  std::vector<GuestThread> threads_;
};

}  // namespace cardswap
