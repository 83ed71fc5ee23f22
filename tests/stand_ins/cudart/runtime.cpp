#include "tests/stand_ins/cudart/runtime.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace cardswap::test {
namespace {

using cuda::Event;
using cuda::Status;
using cuda::Stream;

constexpr auto kInvalid = static_cast<Status>(1);
constexpr auto kBadHandle = static_cast<Status>(400);
constexpr std::size_t kTotalBytes = std::size_t{1} << 30U;

template <class Handle>
Handle handle_of(int number) {
  return reinterpret_cast<Handle>(static_cast<std::uintptr_t>(number));
}
template <class Handle>
int number_of(Handle handle) {
  return static_cast<int>(reinterpret_cast<std::uintptr_t>(handle));
}

}  // namespace

StandInCudart::StandInCudart() = default;

StandInCudart::~StandInCudart() {
  for (const auto& [at, memory] : memory_) {
    if (memory.others) continue;
    ::munmap(at, memory.bytes);
    ::munmap(memory.behind, memory.bytes);
  }
  for (const auto& [at, bytes] : pinned_) std::free(at);
}

Status StandInCudart::called(const char* call) {
  calls_.emplace_back(call);
  const auto found = failures_.find(call);
  if (found == failures_.end() || --found->second.second > 0) return Status::ok;
  const auto status = found->second.first;
  failures_.erase(found);
  return status;
}

// ---- for tests

std::byte* StandInCudart::behind(const void* memory) {
  const std::lock_guard lock(mutex_);
  return translate(memory);
}

Stream StandInCudart::program_stream() {
  const std::lock_guard lock(mutex_);
  programs_.insert(next_);
  streams_[next_];
  return handle_of<Stream>(next_++);
}

void StandInCudart::work(Stream stream, std::function<void()> kernel) {
  const std::lock_guard lock(mutex_);
  give(stream, {std::move(kernel)});
}

void StandInCudart::fail(const std::string& call, Status status, unsigned number) {
  const std::lock_guard lock(mutex_);
  failures_[call] = {status, number};
}

std::vector<std::string> StandInCudart::calls() {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::size_t StandInCudart::count(const std::string& call) {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count(calls_.begin(), calls_.end(), call));
}

void StandInCudart::forget_calls() {
  const std::lock_guard lock(mutex_);
  calls_.clear();
}

void StandInCudart::leave_free(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  free_ = bytes;
}

bool StandInCudart::is_entered() {
  const std::lock_guard lock(mutex_);
  return entered_.contains(std::this_thread::get_id());
}

void StandInCudart::add_memory(std::byte* at, std::size_t bytes, std::byte* behind) {
  const std::lock_guard lock(mutex_);
  memory_[at] = {bytes, behind, true};
}

void StandInCudart::remove_memory(std::byte* at) {
  const std::lock_guard lock(mutex_);
  memory_.erase(at);
}

void StandInCudart::finish() {
  const std::lock_guard lock(mutex_);
  for (auto& [number, queue] : streams_) run(number, queue.given);
}

std::string StandInCudart::leaks() {
  const std::lock_guard lock(mutex_);
  const auto streams = streams_.size() - programs_.size();
  if (memory_.empty() && pinned_.empty() && streams == 0 && events_.empty()) return "";
  return std::to_string(memory_.size()) + " allocations, " + std::to_string(pinned_.size()) +
         " pinned, " + std::to_string(streams) + " streams, " + std::to_string(events_.size()) +
         " events";
}

// ---- work

void StandInCudart::give(Stream stream, Work work) {
  auto& queue = streams_.at(number_of(stream));
  ++queue.given;
  queue.works.push_back(std::move(work));
}

void StandInCudart::run(int stream, std::uint64_t up_to) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;  // destroyed: its work was done before
  auto& queue = found->second;
  while (queue.done < up_to && !queue.works.empty()) {
    const auto work = std::move(queue.works.front());
    queue.works.pop_front();
    if (work.after_stream != 0) run(work.after_stream, work.after_work);
    if (work.act) work.act();
    ++queue.done;
  }
}

std::byte* StandInCudart::translate(const void* memory) {
  auto* at = static_cast<std::byte*>(const_cast<void*>(memory));  // NOLINT
  auto found = memory_.upper_bound(at);
  if (found == memory_.begin()) return at;
  --found;
  if (at >= found->first + found->second.bytes) return at;  // the host's
  return found->second.behind + (at - found->first);
}

void StandInCudart::digest_now(const cuda::DigestPlan& plan) {
  const auto bytes_at = [this](const void* at) {
    return reinterpret_cast<const std::uint8_t*>(translate(at));
  };
  const auto* tiles = reinterpret_cast<const cuda::Tile*>(translate(plan.tiles));
  const auto* range_leaves =
      reinterpret_cast<const cuda::RangeLeaves*>(translate(plan.range_leaves));
  auto* leaves = reinterpret_cast<xxh3::Pair*>(translate(plan.leaf_digests));
  auto* digests = reinterpret_cast<xxh3::Pair*>(translate(plan.digests));
  for (std::uint32_t i = 0; i < plan.tile_count; ++i) {
    const auto* bytes = bytes_at(tiles[i].bytes);
    for (std::uint32_t leaf = 0; leaf < cuda::leaves_of(tiles[i].size); ++leaf) {
      leaves[tiles[i].first_leaf + leaf] =
          xxh3::canonical(xxh3::hash(bytes + std::size_t{leaf} * cuda::kLeafBytes,
                                     cuda::leaf_size(tiles[i], leaf), xxh3::kSecret));
    }
  }
  for (std::uint32_t i = 0; i < plan.range_count; ++i) {
    const auto* first = leaves + range_leaves[i].first_leaf;
    digests[i] =
        range_leaves[i].leaves == 1
            ? *first
            : xxh3::canonical(xxh3::hash(reinterpret_cast<const std::uint8_t*>(first),
                                         range_leaves[i].leaves * sizeof(*first), xxh3::kSecret));
  }
}

/// Does what the kernel would do, with a few workers one after the other.
void StandInCudart::gather_now(const cuda::GatherPlan& plan) {
  constexpr std::uint32_t kWorkers = 5;
  for (std::uint32_t i = 0; i < plan.count; ++i) {
    auto piece = plan.pieces[i];
    piece.from = reinterpret_cast<const std::uint8_t*>(translate(piece.from));
    piece.to = reinterpret_cast<std::uint8_t*>(translate(piece.to));
    for (std::uint32_t worker = 0; worker < kWorkers; ++worker) {
      cuda::gather_share(piece, plan.direction, worker, kWorkers);
    }
  }
}

// ---- Cudart

Status StandInCudart::device_count(int& count) {
  const std::lock_guard lock(mutex_);
  count = 1;
  return called("cudaGetDeviceCount");
}

Status StandInCudart::set_device(int device) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("cudaSetDevice"); status != Status::ok) return status;
  entered_.insert(std::this_thread::get_id());
  return device == 0 ? Status::ok : kInvalid;
}

Status StandInCudart::properties(int device, cuda::Properties& properties) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("cudaGetDeviceProperties"); status != Status::ok) return status;
  if (device != 0) return static_cast<Status>(101);
  for (std::size_t i = 0; i < properties.uuid.size(); ++i) {
    properties.uuid[i] = static_cast<std::uint8_t>(0x10 + i);
  }
  properties.model = "stand-in";
  properties.total_bytes = kTotalBytes;
  properties.major = 9;
  return Status::ok;
}

Status StandInCudart::memory_info(std::size_t& free, std::size_t& total) {
  const std::lock_guard lock(mutex_);
  total = free = kTotalBytes;
  for (const auto& [at, memory] : memory_) free -= memory.bytes;
  if (free_) free = *free_;
  return called("cudaMemGetInfo");
}

Status StandInCudart::allocate(void*& memory, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("cudaMalloc"); status != Status::ok) return status;
  const int file = ::memfd_create("stand-in card", MFD_CLOEXEC);
  if (file < 0 || ::ftruncate(file, static_cast<off_t>(bytes)) != 0) return Status::no_memory;
  auto* at = ::mmap(nullptr, bytes, PROT_NONE, MAP_SHARED, file, 0);
  auto* behind = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (at == MAP_FAILED || behind == MAP_FAILED) return Status::no_memory;
  memory = at;
  memory_[static_cast<std::byte*>(at)] = {bytes, static_cast<std::byte*>(behind)};
  return Status::ok;
}

Status StandInCudart::release(void* memory) {
  const std::lock_guard lock(mutex_);
  (void)called("cudaFree");
  const auto found = memory_.find(static_cast<std::byte*>(memory));
  if (found == memory_.end()) return kInvalid;
  // As in CUDA, the work that was given is done first.
  for (auto& [number, queue] : streams_) run(number, queue.given);
  ::munmap(found->first, found->second.bytes);
  ::munmap(found->second.behind, found->second.bytes);
  memory_.erase(found);
  return Status::ok;
}

Status StandInCudart::allocate_host(void*& memory, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("cudaHostAlloc"); status != Status::ok) return status;
  memory = std::malloc(bytes);
  if (memory == nullptr) return Status::no_memory;
  std::memset(memory, 0xA5, bytes);
  pinned_[memory] = bytes;
  return Status::ok;
}

Status StandInCudart::release_host(void* memory) {
  const std::lock_guard lock(mutex_);
  (void)called("cudaFreeHost");
  if (pinned_.erase(memory) == 0) return kInvalid;
  for (auto& [number, queue] : streams_) run(number, queue.given);
  std::free(memory);
  return Status::ok;
}

Status StandInCudart::make_stream(Stream& stream) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("cudaStreamCreate"); status != Status::ok) return status;
  streams_[next_];
  stream = handle_of<Stream>(next_++);
  return Status::ok;
}

Status StandInCudart::release_stream(Stream stream) {
  const std::lock_guard lock(mutex_);
  (void)called("cudaStreamDestroy");
  const auto found = streams_.find(number_of(stream));
  if (found == streams_.end()) return kBadHandle;
  run(found->first, found->second.given);
  streams_.erase(found);
  return Status::ok;
}

Status StandInCudart::make_event(Event& event) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("cudaEventCreate"); status != Status::ok) return status;
  events_[next_];
  event = handle_of<Event>(next_++);
  return Status::ok;
}

Status StandInCudart::release_event(Event event) {
  const std::lock_guard lock(mutex_);
  (void)called("cudaEventDestroy");
  return events_.erase(number_of(event)) == 0 ? kBadHandle : Status::ok;
}

Status StandInCudart::record(Event event, Stream stream) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("cudaEventRecord"); status != Status::ok) return status;
  const auto found = streams_.find(number_of(stream));
  if (found == streams_.end()) return kBadHandle;
  events_.at(number_of(event)) = {found->first, found->second.given};
  return Status::ok;
}

Status StandInCudart::wait(Stream stream, Event event) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("cudaStreamWaitEvent"); status != Status::ok) return status;
  const auto& recorded = events_.at(number_of(event));
  give(stream, {nullptr, recorded.stream, recorded.work});
  return Status::ok;
}

Status StandInCudart::query(Event event) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("cudaEventQuery"); status != Status::ok) return status;
  const auto recorded = events_.at(number_of(event));
  const auto found = streams_.find(recorded.stream);
  if (found == streams_.end() || found->second.done >= recorded.work) return Status::ok;
  run(recorded.stream, found->second.done + 1);  // each question finds a little more done
  return found->second.done >= recorded.work ? Status::ok : Status::not_ready;
}

Status StandInCudart::synchronize(Event event) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("cudaEventSynchronize"); status != Status::ok) return status;
  const auto recorded = events_.at(number_of(event));
  run(recorded.stream, recorded.work);
  return Status::ok;
}

Status StandInCudart::copy(void* to, const void* from, std::size_t bytes, Stream stream) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("cudaMemcpyAsync"); status != Status::ok) return status;
  if (stream == nullptr) return kBadHandle;
  give(stream, {[this, to, from, bytes] {
         if (bytes > 0) std::memcpy(translate(to), translate(from), bytes);
       }});
  return Status::ok;
}

Status StandInCudart::digest(const cuda::DigestPlan& plan, Stream stream) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("digest"); status != Status::ok) return status;
  give(stream, {[this, plan] { digest_now(plan); }});
  return Status::ok;
}

Status StandInCudart::gather(const cuda::GatherPlan& plan, Stream stream) {
  const std::lock_guard lock(mutex_);
  if (const auto status = called("gather"); status != Status::ok) return status;
  if (stream == nullptr) return kBadHandle;
  give(stream, {[this, plan] { gather_now(plan); }});
  return Status::ok;
}

std::string StandInCudart::text(Status status) {
  return status == Status::no_memory ? "out of memory" : "an error of the stand-in";
}

}  // namespace cardswap::test
