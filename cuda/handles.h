#pragma once

#include <memory>
#include <utility>

#include "cuda/runtime.h"
#include "migrator/device/fence.h"

namespace cardswap::cuda {

/// One device of one runtime: what every call of ours needs. A value; cheap to copy.
struct Card {
  std::shared_ptr<Runtime> runtime;
  int index = 0;

  void check(Status status, const char* call, std::size_t bytes = 0) const {
    cuda::check(*runtime, status, call, index, bytes);
  }
  /// Calls of this thread go to this card from here on.
  void select() const { check(runtime->set_device(index), "cudaSetDevice"); }
};

/// A stream of ours, never the default one.
class OwnedStream {
 public:
  explicit OwnedStream(Card card) : card_(std::move(card)) {
    card_.select();
    card_.check(card_.runtime->make_stream(stream_), "cudaStreamCreateWithPriority");
  }
  ~OwnedStream() { (void)card_.runtime->release_stream(stream_); }
  OwnedStream(const OwnedStream&) = delete;
  OwnedStream& operator=(const OwnedStream&) = delete;
  [[nodiscard]] Stream get() const { return stream_; }

 private:
  Card card_;
  Stream stream_ = nullptr;
};

/// An event of ours; as a fence, what stands before it in the stream where it was recorded.
class OwnedEvent final : public FencePoint {
 public:
  explicit OwnedEvent(Card card) : card_(std::move(card)) {
    card_.select();
    card_.check(card_.runtime->make_event(event_), "cudaEventCreate");
  }
  ~OwnedEvent() override { (void)card_.runtime->release_event(event_); }
  OwnedEvent(const OwnedEvent&) = delete;
  OwnedEvent& operator=(const OwnedEvent&) = delete;

  void record(Stream stream) {
    card_.check(card_.runtime->record(event_, stream), "cudaEventRecord");
  }
  void synchronize() const {
    card_.check(card_.runtime->synchronize(event_), "cudaEventSynchronize");
  }
  [[nodiscard]] bool passed() const {
    const auto status = card_.runtime->query(event_);
    if (status == Status::not_ready) return false;
    card_.check(status, "cudaEventQuery");
    return true;
  }
  [[nodiscard]] Event get() const { return event_; }

 private:
  Card card_;
  Event event_ = nullptr;
};

/// What follows in `stream` comes behind `after`.
void order(const Card& card, Stream stream, const Fence& after);
[[nodiscard]] bool passed(const Fence& after);

/// Memory by two calls of the runtime's.
template <auto Allocate, auto Release, const char* Call>
class OwnedMemory {
 public:
  OwnedMemory(Card card, std::size_t bytes) : card_(std::move(card)), bytes_(bytes) {
    card_.select();
    card_.check((*card_.runtime.*Allocate)(memory_, bytes), Call, bytes);
  }
  ~OwnedMemory() { (void)(*card_.runtime.*Release)(memory_); }
  OwnedMemory(const OwnedMemory&) = delete;
  OwnedMemory& operator=(const OwnedMemory&) = delete;
  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(memory_); }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  Card card_;
  void* memory_ = nullptr;
  std::size_t bytes_;
};

inline constexpr char kPinnedCall[] = "cudaHostAlloc";
inline constexpr char kDeviceCall[] = "cudaMalloc";
/// Of the host, pinned.
using PinnedMemory = OwnedMemory<&Runtime::allocate_host, &Runtime::release_host, kPinnedCall>;
/// Of the card.
using DeviceMemory = OwnedMemory<&Runtime::allocate, &Runtime::release, kDeviceCall>;

}  // namespace cardswap::cuda
