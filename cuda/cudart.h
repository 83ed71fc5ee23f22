#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "cuda/digest_plan.h"
#include "cuda/gather_core.h"

namespace cardswap::cuda {

/// CUDA's handles, declared here so that code which uses them builds without CUDA.
using Stream = struct StreamTag*;
using Event = struct EventTag*;
/// Results of CUDA's calls. Any value of CUDA is possible; only these are named.
enum class Status : int { ok = 0, no_memory = 2, not_ready = 600 };

/// The properties of a GPU that we use.
struct Properties {
  std::array<std::uint8_t, 16> uuid{};
  std::string model;
  std::uint64_t total_bytes = 0;
  int major = 0;  ///< compute capability
  int minor = 0;
};

/// The calls of CUDA's runtime that we use. cudart.cpp makes the real calls, and
/// tests/stand_ins/cudart replaces them in tests. As in CUDA, each call acts on the calling
/// thread's device (set_device()). No call waits for a whole device except release() and
/// release_host(), and none uses the default stream.
class Cudart {
 public:
  virtual ~Cudart() = default;

  virtual Status device_count(int& count) = 0;
  virtual Status set_device(int device) = 0;
  virtual Status properties(int device, Properties& properties) = 0;
  virtual Status memory_info(std::size_t& free, std::size_t& total) = 0;

  virtual Status allocate(void*& memory, std::size_t bytes) = 0;
  virtual Status release(void* memory) = 0;
  virtual Status allocate_host(void*& memory, std::size_t bytes) = 0;  ///< pinned
  virtual Status release_host(void* memory) = 0;

  /// Makes a non-blocking stream of the lowest priority.
  virtual Status make_stream(Stream& stream) = 0;
  virtual Status release_stream(Stream stream) = 0;
  virtual Status make_event(Event& event) = 0;
  virtual Status release_event(Event event) = 0;
  virtual Status record(Event event, Stream stream) = 0;
  virtual Status wait(Stream stream, Event event) = 0;
  virtual Status query(Event event) = 0;
  virtual Status synchronize(Event event) = 0;

  /// Copies in any direction between host and device memory. Both must stay valid until the stream
  /// has done the copy.
  virtual Status copy(void* to, const void* from, std::size_t bytes, Stream stream) = 0;
  /// Digests by `plan`. Its arrays are in device memory and must stay valid until the stream is
  /// done.
  virtual Status digest(const DigestPlan& plan, Stream stream) = 0;
  /// Moves the pieces of `plan`; their memory must stay valid until the stream is done.
  virtual Status gather(const GatherPlan& plan, Stream stream) = 0;

  [[nodiscard]] virtual std::string text(Status status) = 0;
};

/// The real calls of CUDA. Throws Error{refused} in a build without CUDA.
[[nodiscard]] std::shared_ptr<Cudart> cudart();

/// Throws Error{no_memory, internal} unless `status` is ok: "cudaMalloc of 4096 bytes on cuda:0:
/// out of memory (2)". `bytes` 0: the text has no size.
void check(Cudart& runtime, Status status, const char* call, int device, std::size_t bytes = 0);

}  // namespace cardswap::cuda
