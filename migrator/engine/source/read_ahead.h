#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "migrator/engine/source/compressor.h"
#include "migrator/engine/staging_pool.h"

namespace cardswap {

/// Fetches payloads from their devices ahead of the link, while the link is busy. One thread.
class ReadAhead {
 public:
  /// Reads after the work before `after` is done. `direct` gives FetchOptions::direct; it is called
  /// at each fetch, because the link's rate is known only then. `packer` tells whether payloads
  /// will be packed, and so are to be shuffled. `stagings` and `packer` outlive this.
  ReadAhead(StagingPool& stagings, Fence after, std::function<bool()> direct,
            const Compressor& packer)
      : stagings_(stagings),
        after_(std::move(after)),
        direct_(std::move(direct)),
        packer_(packer) {}
  /// Adds a payload to the end of the queue. The memory must stay valid until it was fetched and
  /// sent.
  void want(const MemoryRange& range, std::uint8_t element_size);
  /// The next payload, in the order of want(). None: it is not there yet, or no payload is wanted.
  [[nodiscard]] std::optional<StagedPayload> next();

 private:
  StagingPool& stagings_;
  const Fence after_;
  const std::function<bool()> direct_;
  const Compressor& packer_;
  std::vector<Payload> wanted_;
  std::size_t begun_ = 0;
  std::deque<StagedPayload> ahead_;
};

}  // namespace cardswap
