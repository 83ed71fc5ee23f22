#include "migrator/digest_job.h"

#include "migrator/live_read.h"

#include <utility>

namespace cardswap {

DigestJob::DigestJob(std::vector<std::span<const std::byte>> chunks, unsigned threads,
                     std::function<void()> wake)
    : chunks_(std::move(chunks)),
      digests_(chunks_.size()),
      thread_count_(threads),
      wake_(std::move(wake)) {
  for (const auto& chunk : chunks_) bytes_ += chunk.size();
  threads_.reserve(threads);
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) {
      for (auto chunk = next_++; chunk < chunks_.size() && !stop.stop_requested();
           chunk = next_++) {
        const LiveRead scope;
        digests_[chunk] = digest_of(chunks_[chunk]);
      }
      if (++finished_threads_ == thread_count_) wake_();
    });
  }
}

std::vector<std::span<const std::byte>> bytes_of(const Snapshot& snapshot,
                                                 std::span<const ChunkSpan> chunks) {
  std::vector<std::span<const std::byte>> result;
  result.reserve(chunks.size());
  for (const auto& chunk : chunks) {
    result.push_back(snapshot.memory.at(static_cast<std::size_t>(chunk.region))
                         .subspan(chunk.offset, chunk.bytes));
  }
  return result;
}

}  // namespace cardswap
