#include "runtime/log/step_recorder.h"

#include <algorithm>
#include <set>
#include <utility>

#include "migrator/device/device.h"
#include "migrator/plan/migration_spec.h"
#include "runtime/value_block.h"

namespace cardswap {
namespace {

/// The most bytes of regions that no update rewrites which are looked at at each boundary: running
/// means, masks. Larger ones, frozen weights, are taken for unchanged; the state digest tells where
/// they are not.
constexpr std::uint64_t kWatchedBytesMax = 16U << 20;

std::vector<std::byte> copy_of_region(const StateView& view, std::uint32_t region) {
  const auto range = range_of(view, static_cast<RegionId>(region));
  std::vector<std::byte> bytes(range.bytes.size());
  if (!bytes.empty()) range.device->read(std::span(&range, 1), bytes.data(), view.fence);
  return bytes;
}

store::LogStart start_of(const channel::KeepLog& order, std::string job, std::uint64_t epoch,
                         std::string writer, const Layout& layout) {
  return {std::move(job),   order.run,
          order.branch,     epoch,
          layout.digest(),  static_cast<std::uint32_t>(kSnapshotChunkBytes),
          std::move(writer)};
}

}  // namespace

StepRecorder::StepRecorder(const channel::KeepLog& order, std::string job, std::uint64_t epoch,
                           std::string writer, Tracker& tracker,
                           std::shared_ptr<const StateView> view)
    : epoch_(epoch),
      tracker_(tracker),
      layout_(view->layout),
      chunks_(std::make_shared<const std::vector<ChunkSpan>>(
          cut_into_chunks(layout_, kSnapshotChunkBytes))),
      latest_(view->step),
      writer_(order.store, start_of(order, std::move(job), epoch, std::move(writer), layout_),
              {order.window_steps, order.window_bytes}, order.base_step),
      scan_(
          [this](std::uint64_t step, std::optional<Digest> root) { writer_.settle(step, root); }) {
  choose_watched();
  std::vector<std::optional<Digest>> known(chunks_->size());
  read_watched(*view, known, nullptr);
}

StepRecorder::~StepRecorder() { scan_.interrupt(); }

void StepRecorder::choose_watched() {
  std::set<std::uint32_t> rewritten;
  for (const auto& shard : tracker_.shards()) {
    for (const auto region : shard.regions) rewritten.insert(static_cast<std::uint32_t>(region));
  }
  std::vector<Watched> all;
  std::size_t at = 0;
  const auto& regions = layout_.regions();
  for (std::uint32_t i = 0; i < regions.size(); ++i) {
    const auto first = at;
    while (at < chunks_->size() && static_cast<std::uint32_t>((*chunks_)[at].region) == i) ++at;
    if (at != first && !rewritten.contains(i)) all.push_back({i, first, at - first, {}});
  }
  std::ranges::stable_sort(all, {}, [&](const Watched& one) { return regions[one.region].bytes; });
  std::uint64_t sum = 0;
  for (const auto& one : all) {
    sum += regions[one.region].bytes;
    if (sum > kWatchedBytesMax) break;
    watched_.push_back(one);
  }
}

void StepRecorder::read_watched(const StateView& view, std::vector<std::optional<Digest>>& known,
                                LoggedStep* into) {
  for (auto& one : watched_) {
    const auto spans = std::span(*chunks_).subspan(one.first_chunk, one.chunks);
    std::vector<Digest> digests(spans.size());
    digest_ranges(ranges_of(view, spans), digests, view.fence);
    for (std::size_t i = 0; i < digests.size(); ++i) known[one.first_chunk + i] = digests[i];
    const auto now = digest_of(std::as_bytes(std::span(digests)));
    if (std::exchange(one.seen, now) == now || into == nullptr) continue;
    into->regions.push_back({one.region, copy_of_region(view, one.region)});
  }
}

void StepRecorder::before_update(std::optional<UpdateEntry> update) {
  if (update) updates_.push_back(std::move(*update));
  scan_.interrupt();
}

bool StepRecorder::on_boundary(std::shared_ptr<const StateView> view) {
  scan_.interrupt();  // of a step without any update, too
  if (!(view->layout == layout_)) return false;
  LoggedStep step;
  step.step = latest_ = view->step;
  step.updates = std::move(updates_);
  updates_.clear();
  for (auto& update : step.updates) update.step = step.step;
  step.values = save_values(tracker_.entries());
  RootScan::Job job{view->step, view, chunks_, {}, digest_of(step.values)};
  job.known.resize(chunks_->size());
  read_watched(*view, job.known, &step);
  if (writer_.add(std::move(step))) scan_.begin(std::move(job));
  return true;
}

void StepRecorder::wait() { writer_.wait_for(latest_); }

}  // namespace cardswap
