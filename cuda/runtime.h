#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "cuda/digest_plan.h"
#include "cuda/pack_core.h"

namespace cardswap::cuda {

/// CUDA's handles and numbers, declared here so that what uses them builds where CUDA is not.
using Stream = struct StreamTag*;
using Event = struct EventTag*;
/// The results of CUDA's calls that are told apart here.
enum class Status : int { ok = 0, no_memory = 2, not_ready = 600 };

/// What is asked of a GPU's description.
struct Properties {
  std::array<std::uint8_t, 16> uuid{};
  std::string model;
  std::uint64_t total_bytes = 0;
  int major = 0;  ///< compute capability
  int minor = 0;
};

/// The calls of CUDA's runtime that are made, in one table: cudart.cpp makes the real ones,
/// tests/stand_ins/cudart plays them. Each acts on the calling thread's device (set_device), as
/// CUDA has it. No call waits for a whole device, and none uses the default stream.
class Runtime {
 public:
  virtual ~Runtime() = default;

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

  /// Copies in any direction between host and device memory. Both must live until the stream is
  /// there.
  virtual Status copy(void* to, const void* from, std::size_t bytes, Stream stream) = 0;
  /// Digests by `plan`, whose arrays are in device memory and live until the stream is there.
  virtual Status digest(const DigestPlan& plan, Stream stream) = 0;
  /// Moves the pieces of `plan`; what they point to must live until the stream is there.
  virtual Status pack(const PackPlan& plan, Stream stream) = 0;

  [[nodiscard]] virtual std::string text(Status status) = 0;
};

/// The real calls of CUDA, where this was built with it. Throws Error{refused} where it was not.
[[nodiscard]] std::shared_ptr<Runtime> cudart();

/// Throws Error{no_memory, internal}: "cudaMalloc of 4096 bytes on cuda:0: out of memory (2)".
void check(Runtime& runtime, Status status, const char* call, int device, std::size_t bytes = 0);

}  // namespace cardswap::cuda
