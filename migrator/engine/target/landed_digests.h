#pragma once

#include <functional>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/core/layout.h"
#include "migrator/device/digest_job.h"
#include "migrator/engine/chunk_map.h"
#include "migrator/engine/target/payload_receiver.h"

namespace cardswap {

/// The target's digests of chunks, taken while more of them land, so that a round's answer waits
/// for its last few megabytes only, and the line is served meanwhile. One thread.
class LandedDigests {
 public:
  /// `wake`: called from a thread of its own when advance() has something to do. With `cores` of
  /// two or less, which the line's two ends need, no thread begins before all are here: of the
  /// host's memory add() takes each digest itself, while the bytes are in the cache.
  explicit LandedDigests(std::function<void()> wake,
                         unsigned cores = std::thread::hardware_concurrency())
      : wake_(std::move(wake)), cores_(cores) {}

  void add(ChunkId chunk, const MemoryRange& range);
  /// Tells `chunks` what is ready, and begins with what waits: when it is worth it, or at once
  /// where `all_are_here`. `payloads`: what the chunks came through. True: nothing waits or is
  /// under way.
  bool advance(PayloadReceiver& payloads, ChunkMap& chunks, bool all_are_here);
  /// Gives up what is under way.
  void clear();
  /// Whether threads of this digest now.
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
  std::optional<DigestJob> job_;
};

}  // namespace cardswap
