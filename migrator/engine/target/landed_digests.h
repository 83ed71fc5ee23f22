#pragma once

#include <functional>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/core/layout.h"
#include "migrator/device/digest_run.h"
#include "migrator/engine/chunk_map.h"
#include "migrator/engine/target/payload_receiver.h"

namespace cardswap {

/// Digests chunks at the target while others still land, so that the answer to a round waits only
/// for the digests of its last few megabytes, and the link is served meanwhile. One thread.
class LandedDigests {
 public:
  /// `wake` is called from a thread of this when advance() has something to do. With two `cores` or
  /// fewer no thread starts before all chunks are here, because the two ends of the link need the
  /// cores; add() then digests chunks in the host's memory itself, while their bytes are in the
  /// cache.
  explicit LandedDigests(std::function<void()> wake,
                         unsigned cores = std::thread::hardware_concurrency())
      : wake_(std::move(wake)), cores_(cores) {}

  /// Adds a chunk that has landed in `range`, which must stay valid until its digest is taken.
  void add(ChunkId chunk, const MemoryRange& range);
  /// Enters finished digests into `chunks`, and starts to digest the waiting chunks: at once if
  /// `all_are_here`, else when there are enough. `payloads` is drained first, so that the chunks
  /// are in their memory. True: no chunk waits and no thread digests. Throws what a device throws.
  bool advance(PayloadReceiver& payloads, ChunkMap& chunks, bool all_are_here);
  /// Forgets all chunks, and ends the threads.
  void clear();
  /// Whether threads of this digest chunks now.
  [[nodiscard]] bool is_under_way() const { return job_.has_value(); }

 private:
  void begin(PayloadReceiver& payloads, unsigned threads);

  const std::function<void()> wake_;
  const unsigned cores_;
  std::vector<std::pair<ChunkId, Digest>> taken_;
  std::vector<ChunkId> waiting_;
  std::vector<MemoryRange> ranges_;  // of waiting_
  std::size_t waiting_bytes_ = 0;
  std::vector<ChunkId> in_job_;
  std::optional<DigestRun> job_;
};

}  // namespace cardswap
