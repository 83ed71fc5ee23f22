#include "cuda/staging_ring.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "cuda/cuda_device.h"
#include "migrator/error.h"

namespace cardswap::cuda {
namespace {

constexpr std::size_t kSlotAlign = 4096;
constexpr std::size_t kSlotsMin = 4;
constexpr std::size_t kFirstSlots = 8;
constexpr std::size_t kDirect = std::numeric_limits<std::size_t>::max();

}  // namespace

StagingRing::StagingRing(Card card, std::size_t slot_bytes)
    : card_(std::move(card)),
      slot_bytes_((std::max<std::size_t>(slot_bytes, 1) + kSlotAlign - 1) / kSlotAlign *
                  kSlotAlign),
      slots_max_(std::max(kSlotsMin, kRingBytes / slot_bytes_)) {}

void StagingRing::grow() {
  // Twice what there is: a small job pins little, a large one a block at a time.
  const auto wanted = std::max(kFirstSlots, slots_.size());
  const auto fits = std::max<std::size_t>(1, kRingBlockBytes / slot_bytes_);
  const auto count = std::min({wanted, fits, slots_max_ - slots_.size()});
  blocks_.push_back(std::make_unique<PinnedMemory>(card_, count * slot_bytes_));
  for (std::size_t i = 0; i < count; ++i) {
    slots_.push_back({{blocks_.back()->data() + i * slot_bytes_, slot_bytes_},
                      std::make_unique<OwnedEvent>(card_),
                      false});
  }
}

std::optional<std::size_t> StagingRing::take() {
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

std::optional<std::size_t> StagingRing::find(const std::byte* place) const {
  const auto found = std::ranges::find_if(
      slots_, [&](const Slot& slot) { return slot.taken && slot.memory.data() == place; });
  if (found == slots_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - slots_.begin());
}

RingStaging::RingStaging(std::shared_ptr<const CudaDevice> device, Card card,
                         const StagingOptions& options)
    : device_(std::move(device)),
      card_(card),
      options_(options),
      ring_(std::make_shared<StagingRing>(card, options.payload_bytes_max)),
      stream_(std::move(card)) {}

RingStaging::~RingStaging() {
  try {
    settle();
  } catch (const Error&) {
    // The card is gone; nothing is left to wait for.
  }
}

bool RingStaging::reached_by_link(std::span<const std::byte> range) const {
  return options_.direct_bytes_min && range.size() >= *options_.direct_bytes_min &&
         !device_->is_in_arena(range);
}

std::optional<Fetched> RingStaging::fetch(std::span<const std::byte> range, const Fence& after,
                                          bool direct) {
  if (direct && reached_by_link(range)) {
    if (!passed(after)) return std::nullopt;  // the link reads when it likes
    return Fetched{range, {}, kDirect};
  }
  const auto taken = ring_->take();
  if (!taken) return std::nullopt;
  // Held from here: a call that fails gives it back.
  const std::shared_ptr<const void> lease(
      ring_.get(), [ring = ring_, slot = *taken](const void*) { ring->give_back(slot); });
  auto& slot = ring_->at(*taken);
  card_.select();
  order(card_, stream_.get(), after);
  card_.check(card_.runtime->copy(slot.memory.data(), range.data(), range.size(), stream_.get()),
              "cudaMemcpyAsync from the card", range.size());
  slot.event->record(stream_.get());
  return Fetched{slot.memory.first(range.size()), lease, *taken};
}

bool RingStaging::ready(const Fetched& fetched) {
  return fetched.ticket == kDirect || ring_->at(fetched.ticket).event->passed();
}

std::span<std::byte> RingStaging::place_for(std::span<std::byte> range) {
  if (reached_by_link(range)) return range;
  give_back_copied();
  auto slot = ring_->take();
  if (!slot && !copying_.empty()) {
    ring_->at(copying_.front()).event->synchronize();
    give_back_copied();
    slot = ring_->take();
  }
  if (!slot) throw Error(Code::bad_request, "more payloads are landing at once than are sent");
  return ring_->at(*slot).memory.first(range.size());
}

void RingStaging::landed(std::span<std::byte> place, std::span<std::byte> range) {
  const auto slot = ring_->find(place.data());
  if (!slot) return;  // it landed in the range itself
  if (range.empty()) {
    ring_->give_back(*slot);
    return;
  }
  card_.select();
  card_.check(card_.runtime->copy(range.data(), place.data(), range.size(), stream_.get()),
              "cudaMemcpyAsync to the card", range.size());
  ring_->at(*slot).event->record(stream_.get());
  copying_.push_back(*slot);
}

void RingStaging::give_back_copied() {
  while (!copying_.empty() && ring_->at(copying_.front()).event->passed()) {
    ring_->give_back(copying_.front());
    copying_.pop_front();
  }
}

void RingStaging::settle() {
  if (copying_.empty()) return;
  ring_->at(copying_.back()).event->synchronize();
  give_back_copied();
}

}  // namespace cardswap::cuda
