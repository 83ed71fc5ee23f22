#pragma once

#include <memory>
#include <utility>

#include "cuda/cudart.h"
#include "migrator/device/fence.h"

namespace cardswap::cuda {

/// A GPU of a Cudart, by its index. A value; cheap to copy. Owners of `runtime`: all copies.
struct Gpu {
  std::shared_ptr<Cudart> runtime;
  int index = 0;

  /// Calls cuda::check() for this GPU.
  void check(Status status, const char* call, std::size_t bytes = 0) const {
    cuda::check(*runtime, status, call, index, bytes);
  }
  /// Makes this GPU the one of the calling thread.
  void select() const { check(runtime->set_device(index), "cudaSetDevice"); }
};

/// Owns a stream, which is never the default one. The constructor throws as cuda::check().
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

/// Owns an event. As a fence point it stands for the work before it in the stream where it was
/// recorded. All calls throw as cuda::check().
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
  /// Blocks until the work before the event is done.
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

/// The event of a fence's point. Throws Error{internal} for a point of another kind of device, for
/// which CUDA cannot wait.
[[nodiscard]] const OwnedEvent& event_of(const FencePoint& point);
/// Makes later work in `stream` wait for `after`. Does not block. Throws as cuda::check() and
/// event_of().
void make_wait(const Gpu& gpu, Stream stream, const Fence& after);
/// Whether all work before `after` is done. Does not block. Throws as cuda::check() and event_of().
[[nodiscard]] bool has_passed(const Fence& after);

/// Owns memory of a Cudart, allocated by `Allocate` and released by `Release`. The constructor
/// throws as cuda::check(), with `Call` in the text.
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
using PinnedMemory = OwnedMemory<&Cudart::allocate_host, &Cudart::release_host, kPinnedCall>;
/// Memory of the GPU.
using DeviceMemory = OwnedMemory<&Cudart::allocate, &Cudart::release, kDeviceCall>;

}  // namespace cardswap::cuda
