#include "migrator/engine/target/landed_digests.h"

#include <algorithm>
#include <utility>

#include "migrator/base/racy_read.h"
#include "migrator/device/device.h"

namespace cardswap {
namespace {

/// So many bytes that the start of a thread does not matter, but only a few ms of a fast link.
constexpr std::size_t kBatchBytesMin = 32U << 20U;
/// The two ends of the link use this many cores.
constexpr unsigned kCoresOfALink = 2;

}  // namespace

void LandedDigests::add(ChunkId chunk, const MemoryRange& range) {
  if (cores_ <= kCoresOfALink && range.device == &cpu_device()) {
    const RacyRead scope;
    taken_.emplace_back(chunk, digest_of(range.bytes));
    return;
  }
  waiting_.push_back(chunk);
  ranges_.push_back(range);
  waiting_bytes_ += range.bytes.size();
}

bool LandedDigests::advance(PayloadReceiver& payloads, ChunkMap& chunks, bool all_are_here) {
  for (const auto& [chunk, digest] : std::exchange(taken_, {})) chunks.confirm(chunk, digest);
  if (job_ && job_->is_done()) {
    const auto& digests = job_->digests();
    for (std::size_t i = 0; i < in_job_.size(); ++i) chunks.confirm(in_job_[i], digests[i]);
    job_.reset();
  }
  if (job_) return false;
  if (waiting_.empty()) return true;
  if (all_are_here) {
    begin(payloads, std::max(1U, cores_));
  } else if (cores_ > kCoresOfALink && waiting_bytes_ >= kBatchBytesMin) {
    begin(payloads, 1);  // the others have the link to serve, and other jobs
  }
  return false;
}

void LandedDigests::begin(PayloadReceiver& payloads, unsigned threads) {
  payloads.drain();
  in_job_ = std::exchange(waiting_, {});
  waiting_bytes_ = 0;
  job_.emplace(std::exchange(ranges_, {}), Fence{}, threads, wake_);
}

void LandedDigests::clear() {
  job_.reset();
  taken_.clear();
  waiting_.clear();
  ranges_.clear();
  waiting_bytes_ = 0;
}

}  // namespace cardswap
