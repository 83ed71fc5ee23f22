#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "migrator/engine/source/sending/payload_compressor.h"
#include "migrator/engine/staging_pool.h"

namespace cardswap {

/// Fetches payloads from their devices ahead of the link, while the link is busy. One thread.
class ReadAhead {
 public:
  /// Reads after the work before `after` is done. `direct` gives FetchOptions::direct; it is called
  /// at each fetch, because the link's rate is known only then. `compressor` tells whether payloads
  /// will be compressed, and so are to be shuffled. `stagings` and `compressor` outlive this.
  ReadAhead(StagingPool& stagings, Fence after, std::function<bool()> direct,
            const PayloadCompressor& compressor)
      : stagings_(stagings),
        after_(std::move(after)),
        direct_(std::move(direct)),
        compressor_(compressor) {}
  /// Adds a payload to the end of the queue. The memory must stay valid until it was fetched and
  /// sent.
  void want(const MemoryRange& range, std::uint8_t element_bytes);
  /// The next payload, in the order of want(). Nullopt: it is not there yet, or no payload is
  /// wanted.
  [[nodiscard]] std::optional<StagedPayload> next();

 private:
  StagingPool& stagings_;
  const Fence after_;
  const std::function<bool()> direct_;
  const PayloadCompressor& compressor_;
  std::vector<Payload> wanted_;
  std::size_t begun_ = 0;
  std::deque<StagedPayload> ahead_;
};

}  // namespace cardswap
