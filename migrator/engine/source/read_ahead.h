#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "migrator/engine/source/compressor.h"
#include "migrator/engine/staging_pool.h"

namespace cardswap {

/// The source's payloads to send, fetched ahead of the line while it is busy. One thread.
class ReadAhead {
 public:
  /// `direct`: FetchOptions::direct, asked as payloads are fetched, because the link's rate shows
  /// only then. `packer`: what will pack them, if it does so when they are fetched. Both outlive
  /// this.
  ReadAhead(StagingPool& stagings, Fence after, std::function<bool()> direct,
            const Compressor& packer)
      : stagings_(stagings),
        after_(std::move(after)),
        direct_(std::move(direct)),
        packer_(packer) {}
  void want(const MemoryRange& range, std::uint8_t element_size);
  /// The next payload, if it is there.
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
