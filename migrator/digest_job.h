#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <span>
#include <thread>
#include <vector>

#include "migrator/digest.h"
#include "migrator/layout.h"

namespace cardswap {

/// Digests chunks on threads of its own while its owner keeps the link alive.
///
/// Reads memory that others may write: a torn read gives a digest of bytes that never were, which
/// only makes a chunk count as different. `wake` is called from a thread when all is done. The
/// spans must stay valid until the job is destroyed; the destructor stops early and joins.
class DigestJob {
 public:
  DigestJob(std::vector<std::span<const std::byte>> chunks, unsigned threads,
            std::function<void()> wake);

  [[nodiscard]] bool done() const { return finished_threads_ == thread_count_; }
  /// One a chunk, in order; call when done().
  [[nodiscard]] const std::vector<Digest>& digests() const { return digests_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::vector<std::span<const std::byte>> chunks_;
  std::vector<Digest> digests_;
  std::size_t bytes_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> finished_threads_{0};
  unsigned thread_count_;
  std::function<void()> wake_;
  std::vector<std::jthread> threads_;
};

/// The bytes of every chunk of `snapshot`, in chunk order.
[[nodiscard]] std::vector<std::span<const std::byte>> bytes_of(const Snapshot& snapshot,
                                                               std::span<const ChunkSpan> chunks);

}  // namespace cardswap
