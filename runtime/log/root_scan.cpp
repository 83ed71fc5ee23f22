#include "runtime/log/root_scan.h"

#include <algorithm>
#include <utility>

#include "migrator/device/device.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {
namespace {

/// So many are read before it is asked whether to go on: at 10 GB/s, a third of a millisecond.
constexpr std::size_t kChunksAtOnce = 4;

}  // namespace

RootScan::RootScan(Settled settled)
    : settled_(std::move(settled)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

RootScan::~RootScan() {
  interrupted_ = true;
  const MutexLock lock(mutex_);
  stops_ = true;
  changed_.notify_all();
}

void RootScan::begin(Job job) {
  const MutexLock lock(mutex_);
  interrupted_ = false;
  next_ = std::move(job);
  changed_.notify_all();
}

void RootScan::interrupt() {
  interrupted_ = true;
  std::optional<Job> unread;
  {
    MutexLock lock(mutex_);
    unread.swap(next_);
    while (is_reading_) changed_.wait(lock);
  }
  if (unread) settled_(unread->step, std::nullopt);
}

void RootScan::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Job job;
    {
      MutexLock lock(mutex_);
      while (!next_ && !stops_) changed_.wait(lock);
      if (stops_) return;
      job = std::move(*next_);
      next_.reset();
      is_reading_ = true;
    }
    std::optional<Digest> root;
    try {
      root = digest(job);
    } catch (...) {
      root.reset();  // a device has failed: the step cannot be proven
    }
    settled_(job.step, root);  // before interrupt() returns: the next step comes after that
    const MutexLock lock(mutex_);
    is_reading_ = false;
    changed_.notify_all();
  }
}

std::optional<Digest> RootScan::digest(const Job& job) const {
  std::vector<Digest> digests(job.chunks->size());
  std::vector<ChunkSpan> spans;
  std::vector<std::size_t> of;
  std::vector<Digest> read;
  for (std::size_t i = 0; i < digests.size(); ++i) {
    if (job.known[i]) {
      digests[i] = *job.known[i];
    } else {
      spans.push_back((*job.chunks)[i]);
      of.push_back(i);
    }
    if (spans.size() < kChunksAtOnce && i + 1 < digests.size()) continue;
    if (interrupted_) return std::nullopt;
    read.resize(spans.size());
    digest_ranges(ranges_of(*job.view, spans), read, job.view->fence);
    for (std::size_t k = 0; k < of.size(); ++k) digests[of[k]] = read[k];
    spans.clear();
    of.clear();
  }
  if (interrupted_) return std::nullopt;
  return data::state_digest_of(job.view->layout, digests, job.values);
}

}  // namespace cardswap
