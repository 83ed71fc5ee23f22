#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cuda/handles.h"
#include "migrator/device/staging.h"

namespace cardswap::cuda {

class CudaDevice;

inline constexpr std::size_t kRingBlockBytes = 64U << 20U;
inline constexpr std::size_t kRingBytes = 4 * kRingBlockBytes;
/// Payloads up to here travel several to a buffer, moved by one kernel: a copy of each would take
/// longer to ask for than to make. Larger ones are the copy engine's.
inline constexpr std::size_t kGatheredBytesMax = 64U << 10U;

/// Pinned buffers of one size that a device's copies and a link's sends take turns with, so that
/// copying, sending, receiving and copying again go on at the same time. Grows block by block with
/// what is used at once, to kRingBytes, or more where few large payloads under way
/// need it. One thread.
class StagingRing {
 public:
  /// One buffer of the ring.
  struct Slot {
    std::span<std::byte> memory;
    std::unique_ptr<OwnedEvent> event;
    bool taken = false;
  };

  StagingRing(Gpu gpu, std::size_t slot_bytes);
  /// Takes a free slot. None: all are taken, and there may be no more.
  [[nodiscard]] std::optional<std::size_t> take();
  void give_back(std::size_t slot) { slots_.at(slot).taken = false; }
  [[nodiscard]] Slot& at(std::size_t slot) { return slots_.at(slot); }
  /// The slot whose memory begins at `destination`.
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

/// Payloads through a ring, or none where the link reaches the GPU's memory. Small payloads are
/// gathered into one buffer and scattered out of several by one launch; what is to be packed is
/// shuffled on the way.
class RingStaging final : public Staging {
 public:
  RingStaging(std::shared_ptr<const CudaDevice> device, Gpu gpu, const StagingOptions& options);
  ~RingStaging() override;

  std::vector<StagedPayload> fetch(std::span<const Payload> payloads, const Fence& after,
                                   FetchOptions options) override;
  bool is_ready(const StagedPayload& fetched) override;
  std::span<std::byte> reserve(std::span<std::byte> range, bool direct) override;
  ByteShuffle shuffle_for(std::uint8_t element_bytes) const override;
  void on_received(std::span<std::byte> destination, std::span<std::byte> range,
                   ByteShuffle shuffle) override;
  void settle() override;

 private:
  void fill(std::size_t slot, std::span<const Payload> payloads, const Fence& after,
            FetchOptions options, std::vector<StagedPayload>& begun);
  void scatter();
  void move(const PackPlan& plan);
  [[nodiscard]] bool is_reached_by_link(std::span<const std::byte> range) const;
  void give_back_copied();

  const std::shared_ptr<const CudaDevice> device_;  ///< kept: its memory is what is copied
  const Gpu gpu_;
  const StagingOptions options_;
  const std::shared_ptr<StagingRing> ring_;  ///< shared with what a link has not sent yet
  OwnedStream stream_;
  /// Slots on the way into the GPU by one copy or launch; the event is the last one's.
  std::deque<std::vector<std::size_t>> copying_;
  PackPlan scattered_;                        ///< landed, to be moved with what comes next
  std::vector<std::size_t> scattered_slots_;  ///< of scattered_
};

}  // namespace cardswap::cuda
