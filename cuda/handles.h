#pragma once

#include <memory>
#include <utility>

#include "cuda/runtime.h"
#include "migrator/device/fence.h"

namespace cardswap::cuda {

/// One device of one runtime: what every call of ours needs. A value; cheap to copy.
struct Gpu {
  std::shared_ptr<Runtime> runtime;
  int index = 0;

  void check(Status status, const char* call, std::size_t bytes = 0) const {
    cuda::check(*runtime, status, call, index, bytes);
  }
  /// Calls of this thread go to this GPU from here on.
  void select() const { check(runtime->set_device(index), "cudaSetDevice"); }
};

/// A stream of ours, never the default one.
class OwnedStream {
 public:
  explicit OwnedStream(Gpu gpu) : gpu_(std::move(gpu)) {
    gpu_.select();
    gpu_.check(gpu_.runtime->make_stream(stream_), "cudaStreamCreateWithPriority");
  }
  ~OwnedStream() { (void)gpu_.runtime->release_stream(stream_); }
  OwnedStream(const OwnedStream&) = delete;
  OwnedStream& operator=(const OwnedStream&) = delete;
  [[nodiscard]] Stream get() const { return stream_; }

 private:
  Gpu gpu_;
  Stream stream_ = nullptr;
};

/// An event of ours; as a fence, what stands before it in the stream where it was recorded.
class OwnedEvent final : public FencePoint {
 public:
  explicit OwnedEvent(Gpu gpu) : gpu_(std::move(gpu)) {
    gpu_.select();
    gpu_.check(gpu_.runtime->make_event(event_), "cudaEventCreate");
  }
  ~OwnedEvent() override { (void)gpu_.runtime->release_event(event_); }
  OwnedEvent(const OwnedEvent&) = delete;
  OwnedEvent& operator=(const OwnedEvent&) = delete;

  void record(Stream stream) {
    gpu_.check(gpu_.runtime->record(event_, stream), "cudaEventRecord");
  }
  void synchronize() const {
    gpu_.check(gpu_.runtime->synchronize(event_), "cudaEventSynchronize");
  }
  [[nodiscard]] bool has_passed() const {
    const auto status = gpu_.runtime->query(event_);
    if (status == Status::not_ready) return false;
    gpu_.check(status, "cudaEventQuery");
    return true;
  }
  [[nodiscard]] Event get() const { return event_; }

 private:
  Gpu gpu_;
  Event event_ = nullptr;
};

/// A point of a fence as an event. Throws Error{internal} for another kind of device's: nobody here
/// could wait for that, and whoever did not would read what is being written.
[[nodiscard]] const OwnedEvent& event_of(const FencePoint& point);
/// Makes what follows in `stream` wait for `after`.
void order(const Gpu& gpu, Stream stream, const Fence& after);
[[nodiscard]] bool has_passed(const Fence& after);

/// Memory that one call of the runtime allocates and another one releases.
template <auto Allocate, auto Release, const char* Call>
class OwnedMemory {
 public:
  OwnedMemory(Gpu gpu, std::size_t bytes) : gpu_(std::move(gpu)), bytes_(bytes) {
    gpu_.select();
    gpu_.check((*gpu_.runtime.*Allocate)(memory_, bytes), Call, bytes);
  }
  ~OwnedMemory() { (void)(*gpu_.runtime.*Release)(memory_); }
  OwnedMemory(const OwnedMemory&) = delete;
  OwnedMemory& operator=(const OwnedMemory&) = delete;
  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(memory_); }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  Gpu gpu_;
  void* memory_ = nullptr;
  std::size_t bytes_;
};

inline constexpr char kPinnedCall[] = "cudaHostAlloc";
inline constexpr char kDeviceCall[] = "cudaMalloc";
/// Pinned memory of the host.
using PinnedMemory = OwnedMemory<&Runtime::allocate_host, &Runtime::release_host, kPinnedCall>;
/// Memory of the GPU.
using DeviceMemory = OwnedMemory<&Runtime::allocate, &Runtime::release, kDeviceCall>;

}  // namespace cardswap::cuda
