// The table of cuda/cudart.h over CUDA's runtime library.

#include <cuda_runtime_api.h>

#include <algorithm>

#include "cuda/cudart.h"
#include "cuda/kernels.h"

namespace cardswap::cuda {
namespace {

Status of(cudaError_t error) {
  // Clears this thread's last error, so that the next launch of the program does not report it.
  if (error != cudaSuccess && error != cudaErrorNotReady) (void)cudaGetLastError();
  return static_cast<Status>(error);
}
cudaStream_t native(Stream stream) { return reinterpret_cast<cudaStream_t>(stream); }  // NOLINT
cudaEvent_t native(Event event) { return reinterpret_cast<cudaEvent_t>(event); }       // NOLINT

static_assert(static_cast<int>(Status::no_memory) == cudaErrorMemoryAllocation);
static_assert(static_cast<int>(Status::not_ready) == cudaErrorNotReady);

class LinkedCudart final : public Cudart {
 public:
  Status device_count(int& count) override { return of(cudaGetDeviceCount(&count)); }
  Status set_device(int device) override { return of(cudaSetDevice(device)); }
  Status properties(int device, Properties& properties) override {
    cudaDeviceProp from{};
    const auto status = of(cudaGetDeviceProperties(&from, device));
    std::copy_n(reinterpret_cast<const std::uint8_t*>(from.uuid.bytes), properties.uuid.size(),
                properties.uuid.begin());
    properties.model = from.name;
    properties.total_bytes = from.totalGlobalMem;
    properties.major = from.major;
    properties.minor = from.minor;
    return status;
  }
  Status memory_info(std::size_t& free, std::size_t& total) override {
    return of(cudaMemGetInfo(&free, &total));
  }
  Status allocate(void*& memory, std::size_t bytes) override {
    return of(cudaMalloc(&memory, bytes));
  }
  Status release(void* memory) override { return of(cudaFree(memory)); }
  Status allocate_host(void*& memory, std::size_t bytes) override {
    return of(cudaHostAlloc(&memory, bytes, cudaHostAllocPortable));
  }
  Status release_host(void* memory) override { return of(cudaFreeHost(memory)); }
  Status make_stream(Stream& stream) override {
    int lowest = 0;
    int highest = 0;
    if (const auto error = cudaDeviceGetStreamPriorityRange(&lowest, &highest)) return of(error);
    cudaStream_t made = nullptr;
    const auto status = of(cudaStreamCreateWithPriority(&made, cudaStreamNonBlocking, lowest));
    stream = reinterpret_cast<Stream>(made);  // NOLINT
    return status;
  }
  Status release_stream(Stream stream) override { return of(cudaStreamDestroy(native(stream))); }
  Status make_event(Event& event) override {
    cudaEvent_t made = nullptr;
    // Blocking synchronization: a waiting thread leaves its core to the trainer.
    const auto status =
        of(cudaEventCreateWithFlags(&made, cudaEventDisableTiming | cudaEventBlockingSync));
    event = reinterpret_cast<Event>(made);  // NOLINT
    return status;
  }
  Status release_event(Event event) override { return of(cudaEventDestroy(native(event))); }
  Status record(Event event, Stream stream) override {
    return of(cudaEventRecord(native(event), native(stream)));
  }
  Status wait(Stream stream, Event event) override {
    return of(cudaStreamWaitEvent(native(stream), native(event), 0));
  }
  Status query(Event event) override { return of(cudaEventQuery(native(event))); }
  Status synchronize(Event event) override { return of(cudaEventSynchronize(native(event))); }
  Status copy(void* to, const void* from, std::size_t bytes, Stream stream) override {
    return of(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, native(stream)));
  }
  Status digest(const DigestPlan& plan, Stream stream) override {
    return of(launch_digest(plan, native(stream)));
  }
  Status gather(const GatherPlan& plan, Stream stream) override {
    return of(launch_gather(plan, native(stream)));
  }
  std::string text(Status status) override {
    return cudaGetErrorString(static_cast<cudaError_t>(status));
  }
};

}  // namespace

std::shared_ptr<Cudart> cudart() { return std::make_shared<LinkedCudart>(); }

}  // namespace cardswap::cuda
