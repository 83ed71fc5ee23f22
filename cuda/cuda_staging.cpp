#include "cuda/cuda_staging.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "cuda/cuda_device.h"
#include "migrator/base/error.h"

namespace cardswap::cuda {
namespace {

constexpr std::size_t kSlotAlign = 4096;
/// Payloads that land at once, and two whose copies into the GPU are not done yet.
constexpr std::size_t kSlotsMin = kPayloadsInFlightMax + 2;
constexpr std::size_t kFirstSlots = 8;
constexpr std::size_t kDirect = std::numeric_limits<std::size_t>::max();
/// Of gathered payloads in a buffer: what the bus takes at once.
constexpr std::size_t kPieceAlign = 256;

std::size_t whole_pieces(std::size_t bytes) {
  return (bytes + kPieceAlign - 1) / kPieceAlign * kPieceAlign;
}

GatherPiece piece_of(std::span<const std::byte> from, std::span<std::byte> to,
                     ByteShuffle shuffle) {
  return {reinterpret_cast<const std::uint8_t*>(from.data()),  // NOLINT: the kernel's bytes
          reinterpret_cast<std::uint8_t*>(to.data()),          // NOLINT
          static_cast<std::uint32_t>(from.size()),
          shuffle.done ? shuffle.element_bytes : std::uint8_t{1}};
}

bool overlaps(const GatherPlan& plan, const GatherPiece& piece) {
  return std::any_of(plan.pieces, plan.pieces + plan.count, [&](const GatherPiece& other) {
    return piece.to < other.to + other.bytes && other.to < piece.to + piece.bytes;
  });
}

}  // namespace

PinnedRing::PinnedRing(Gpu gpu, std::size_t slot_bytes)
    : gpu_(std::move(gpu)),
      slot_bytes_((std::max<std::size_t>(slot_bytes, 1) + kSlotAlign - 1) / kSlotAlign *
                  kSlotAlign),
      slots_max_(std::max(kSlotsMin, kRingBytes / slot_bytes_)) {}

void PinnedRing::grow() {
  // Twice what there is: a small job pins little, a large one a block at a time.
  const auto wanted = std::max(kFirstSlots, slots_.size());
  const auto fits = std::max<std::size_t>(1, kRingBlockBytes / slot_bytes_);
  const auto count = std::min({wanted, fits, slots_max_ - slots_.size()});
  blocks_.push_back(std::make_unique<PinnedMemory>(gpu_, count * slot_bytes_));
  for (std::size_t i = 0; i < count; ++i) {
    slots_.push_back({{blocks_.back()->data() + i * slot_bytes_, slot_bytes_},
                      std::make_unique<OwnedEvent>(gpu_),
                      false});
  }
}

std::optional<std::size_t> PinnedRing::take() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const auto slot = (next_ + i) % slots_.size();
    if (slots_[slot].taken) continue;
    next_ = slot + 1;
    slots_[slot].taken = true;
    return slot;
  }
  if (slots_.size() == slots_max_) return std::nullopt;
  next_ = slots_.size();
  grow();
  slots_[next_].taken = true;
  return next_++;
}

std::optional<std::size_t> PinnedRing::find(const std::byte* destination) const {
  const auto found = std::ranges::find_if(
      slots_, [&](const Slot& slot) { return slot.taken && slot.memory.data() == destination; });
  if (found == slots_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - slots_.begin());
}

CudaStaging::CudaStaging(std::shared_ptr<const CudaDevice> device, Gpu gpu,
                         const StagingOptions& options)
    : device_(std::move(device)),
      gpu_(gpu),
      options_(options),
      ring_(std::make_shared<PinnedRing>(gpu, options.payload_bytes_max)),
      stream_(std::move(gpu)) {
  scattered_.direction = ShuffleDirection::from_shuffled;
}

CudaStaging::~CudaStaging() {
  scattered_.count = 0;  // nobody will look at it, and its memory may be gone
  try {
    drain();
  } catch (const Error&) {
    // The GPU is gone; nothing is left to wait for.
  }
}

bool CudaStaging::is_reached_by_link(std::span<const std::byte> range) const {
  return options_.direct_bytes_min && range.size() >= *options_.direct_bytes_min &&
         !device_->is_in_arena(range);
}

std::vector<StagedPayload> CudaStaging::fetch(std::span<const Payload> payloads, const Fence& after,
                                              FetchOptions options) {
  std::vector<StagedPayload> begun;
  while (begun.size() < payloads.size()) {
    const std::span<const std::byte> range = payloads[begun.size()].range.bytes;
    if (options.direct && is_reached_by_link(range)) {
      if (!has_passed(after)) break;  // the link reads when it likes
      begun.push_back({range, {}, kDirect});
      continue;
    }
    const auto slot = ring_->take();
    if (!slot) break;
    fill(*slot, payloads.subspan(begun.size()), after, options, begun);
  }
  return begun;
}

/// Brings the first of `payloads` to `slot`, and if it is small also the small ones that follow.
void CudaStaging::fill(std::size_t slot, std::span<const Payload> payloads, const Fence& after,
                       FetchOptions options, std::vector<StagedPayload>& begun) {
  // Held from here: a call that fails gives it back.
  const std::shared_ptr<const void> lease(
      ring_.get(), [ring = ring_, slot](const void*) { ring->give_back(slot); });
  const auto memory = ring_->at(slot).memory;
  GatherPlan plan;
  std::size_t used = 0;
  for (const auto& [range, element_bytes] : payloads) {
    const auto& bytes = range.bytes;
    const bool small = bytes.size() <= kGatheredBytesMax && used + bytes.size() <= memory.size();
    const bool fits = plan.count == 0 || (small && plan.count < kGatherPiecesMax &&
                                          !(options.direct && is_reached_by_link(bytes)));
    if (!fits) break;
    const auto shuffle = options.shuffled ? shuffle_for(element_bytes) : ByteShuffle{element_bytes};
    plan.pieces[plan.count++] = piece_of(bytes, memory.subspan(used), shuffle);
    begun.push_back({memory.subspan(used, bytes.size()), lease, slot, shuffle});
    used = std::min(whole_pieces(used + bytes.size()), memory.size());
    if (!small) break;
  }
  gpu_.select();
  make_wait(gpu_, stream_.get(), after);
  move(plan);
  ring_->at(slot).event->record(stream_.get());
}

/// Uses the copy engine if the plan has a single piece that is not shuffled.
void CudaStaging::move(const GatherPlan& plan) {
  const auto& first = plan.pieces[0];
  if (plan.count == 1 && first.element_bytes == 1) {
    gpu_.check(gpu_.runtime->copy(first.to, first.from, first.bytes, stream_.get()),
               "cudaMemcpyAsync", first.bytes);
    return;
  }
  gpu_.check(gpu_.runtime->gather(plan, stream_.get()), "the gather kernel");
}

bool CudaStaging::is_ready(const StagedPayload& fetched) {
  return fetched.ticket == kDirect || ring_->at(fetched.ticket).event->has_passed();
}

std::span<std::byte> CudaStaging::reserve(std::span<std::byte> range, bool direct) {
  if (direct && is_reached_by_link(range)) return range;
  give_back_copied();
  auto slot = ring_->take();
  if (!slot) {
    scatter();
    if (!copying_.empty()) {
      ring_->at(copying_.front().back()).event->synchronize();
      give_back_copied();
      slot = ring_->take();
    }
  }
  if (!slot) throw Error(Code::bad_request, "more payloads are landing at once than are sent");
  return ring_->at(*slot).memory.first(range.size());
}

ByteShuffle CudaStaging::shuffle_for(std::uint8_t element_bytes) const {
  return {element_bytes, is_shuffled(element_bytes)};
}

void CudaStaging::on_received(std::span<std::byte> destination, std::span<std::byte> range,
                              ByteShuffle shuffle) {
  const auto slot = ring_->find(destination.data());
  if (!slot) return;  // it landed in the range itself
  if (range.empty()) {
    ring_->give_back(*slot);
    return;
  }
  const auto piece = piece_of(destination.first(range.size()), range, shuffle);
  const bool small = range.size() <= kGatheredBytesMax;
  // Pieces of one launch come in no order.
  if (!small || overlaps(scattered_, piece)) scatter();
  scattered_.pieces[scattered_.count++] = piece;
  scattered_slots_.push_back(*slot);
  if (!small || scattered_.count == kGatherPiecesMax) scatter();
}

/// Moves the landed payloads that wait into the GPU.
void CudaStaging::scatter() {
  if (scattered_.count == 0) return;
  gpu_.select();
  move(scattered_);
  scattered_.count = 0;
  ring_->at(scattered_slots_.back()).event->record(stream_.get());
  copying_.push_back(std::exchange(scattered_slots_, {}));
}

void CudaStaging::give_back_copied() {
  while (!copying_.empty() && ring_->at(copying_.front().back()).event->has_passed()) {
    for (const auto slot : copying_.front()) ring_->give_back(slot);
    copying_.pop_front();
  }
}

void CudaStaging::drain() {
  scatter();
  if (copying_.empty()) return;
  ring_->at(copying_.back().back()).event->synchronize();
  give_back_copied();
}

}  // namespace cardswap::cuda
