#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cuda/gpu_handles.h"
#include "migrator/device/staging.h"

namespace cardswap::cuda {

class CudaDevice;

inline constexpr std::size_t kRingBlockBytes = 64U << 20U;
inline constexpr std::size_t kRingBytes = 4 * kRingBlockBytes;
/// Payloads up to this size share a buffer and are moved by one kernel, because to start a copy for
/// each would take longer than the copy. A larger payload is moved by the copy engine, or by the
/// kernel if it is shuffled.
inline constexpr std::size_t kGatheredBytesMax = 64U << 10U;

/// Pinned buffers of one size, which copies of a device and sends of a link use in turn, so that
/// copying and sending go on at the same time. Grows block by block on demand, up to kRingBytes, or
/// more if kPayloadsInFlightMax large payloads need it. One thread.
class PinnedRing {
 public:
  /// One buffer of the ring.
  struct Slot {
    std::span<std::byte> memory;
    std::unique_ptr<OwnedEvent> event;
    bool taken = false;
  };

  PinnedRing(Gpu gpu, std::size_t slot_bytes);
  /// Takes a free slot; may allocate pinned memory, and throws as cuda::check(). Nullopt: all slots
  /// are taken, and the ring may not grow.
  [[nodiscard]] std::optional<std::size_t> take();
  void give_back(std::size_t slot) { slots_.at(slot).taken = false; }
  [[nodiscard]] Slot& at(std::size_t slot) { return slots_.at(slot); }
  /// The slot whose memory begins at `destination`. Nullopt: there is no such slot.
  [[nodiscard]] std::optional<std::size_t> find(const std::byte* destination) const;

 private:
  void grow();

  const Gpu gpu_;
  const std::size_t slot_bytes_;
  const std::size_t slots_max_;
  std::vector<std::unique_ptr<PinnedMemory>> blocks_;
  std::vector<Slot> slots_;
  std::size_t next_ = 0;  ///< where to look first
};

/// Brings payloads through a ring of buffers, or without a buffer if the link reaches the GPU's
/// memory. Small payloads are gathered into one buffer, and scattered from several buffers, by one
/// launch; payloads that will be compressed are shuffled on the way.
class CudaStaging final : public Staging {
 public:
  CudaStaging(std::shared_ptr<const CudaDevice> device, Gpu gpu, const StagingOptions& options);
  ~CudaStaging() override;

  std::vector<StagedPayload> fetch(std::span<const Payload> payloads, const Fence& after,
                                   FetchOptions options) override;
  bool is_ready(const StagedPayload& fetched) override;
  std::span<std::byte> reserve(std::span<std::byte> range, bool direct) override;
  ByteShuffle shuffle_for(std::uint8_t element_bytes) const override;
  void on_received(std::span<std::byte> destination, std::span<std::byte> range,
                   ByteShuffle shuffle) override;
  void drain() override;

 private:
  void fill(std::size_t slot, std::span<const Payload> payloads, const Fence& after,
            FetchOptions options, std::vector<StagedPayload>& begun);
  void scatter();
  void move(const GatherPlan& plan);
  [[nodiscard]] bool is_reached_by_link(std::span<const std::byte> range) const;
  void give_back_copied();

  const std::shared_ptr<const CudaDevice> device_;  ///< owners: the program's views and this
  const Gpu gpu_;
  const StagingOptions options_;
  const std::shared_ptr<PinnedRing> ring_;  ///< owners: this and payloads that are not sent yet
  OwnedStream stream_;
  /// Slots that one copy or launch moves into the GPU; the last one's event tells when it is done.
  std::deque<std::vector<std::size_t>> copying_;
  GatherPlan scattered_;                      ///< landed payloads, to be moved with the next ones
  std::vector<std::size_t> scattered_slots_;  ///< of scattered_
};

}  // namespace cardswap::cuda
