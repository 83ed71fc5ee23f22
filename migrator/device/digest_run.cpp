#include "migrator/device/digest_run.h"

#include <utility>

#include "migrator/base/racy_read.h"

namespace cardswap {

DigestRun::DigestRun(std::vector<MemoryRange> chunks, Fence after, unsigned threads,
                     std::function<void()> wake, OnDigested on_digested)
    : chunks_(std::move(chunks)),
      after_(std::move(after)),
      digests_(chunks_.size()),
      thread_count_(threads),
      wake_(std::move(wake)),
      on_digested_(std::move(on_digested)) {
  cut_into_batches();
  threads_.reserve(threads);
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) {
      try {
        work(stop);
      } catch (...) {
        const MutexLock lock(mutex_);
        failure_ = std::current_exception();
      }
      {
        const MutexLock lock(mutex_);
        took_ = std::chrono::steady_clock::now() - begun_;
      }
      if (++finished_threads_ == thread_count_) wake_();
    });
  }
}

void DigestRun::cut_into_batches() {
  for (std::size_t first = 0; first < chunks_.size();) {
    auto* device = chunks_[first].device;
    const auto enough = device->digest_bytes_best();
    std::size_t batch_bytes = 0;
    auto end = first;
    while (end < chunks_.size() && chunks_[end].device == device && batch_bytes < enough) {
      batch_bytes += chunks_[end++].bytes.size();
    }
    auto& batch = batches_.emplace_back();
    batch.first = first;
    batch.count = end - first;
    bytes_ += batch_bytes;
    first = end;
  }
}

void DigestRun::work(const std::stop_token& stop) {
  for (auto next = next_++; next < batches_.size() && !stop.stop_requested(); next = next_++) {
    auto& batch = batches_[next];
    const RacyRead scope;
    const auto ranges = std::span(chunks_).subspan(batch.first, batch.count);
    const auto digests = std::span(digests_).subspan(batch.first, batch.count);
    ranges.front().device->digest(ranges, digests, after_);
    if (on_digested_) on_digested_(batch.first, digests);
    batch.done = true;
    if (wakes_for_more_.exchange(false)) wake_();
  }
}

std::size_t DigestRun::ready() {
  while (batches_ready_ < batches_.size() && batches_[batches_ready_].done) ++batches_ready_;
  return batches_ready_ == batches_.size() ? chunks_.size() : batches_[batches_ready_].first;
}

const std::vector<Digest>& DigestRun::digests() const {
  const MutexLock lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
  return digests_;
}

}  // namespace cardswap
