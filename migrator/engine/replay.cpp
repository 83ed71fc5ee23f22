#include "migrator/engine/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace cardswap {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPollInterval{100};
/// The log may hold the gradients of this many steps.
constexpr std::uint64_t kStepsHeld = 2;
/// No further shard is copied aside beyond this; a single one may be larger.
constexpr std::uint64_t kStagedMax = 256U << 20U;
// Of a program that tracks another number of loose tensors after each step.
constexpr std::uint64_t kInterruptedAuditsMax = 32;
constexpr double kDecay = 0.75;
/// A large parameter that is chosen seldom is not to count for ever; a step that is skipped now and
/// then is no sign that the next one is small.
constexpr double kStepForgetting = 0.98;

}  // namespace

Replay::Replay(Sender& sender)
    : sender_(sender),
      log_(std::make_shared<UpdateLog>([&sender] { sender.wake(); })),
      window_(std::make_shared<StateWindow>()) {}

Replay::~Replay() { log_->close(); }

bool Replay::begin() {
  // Before the program has the log: its very next step appends.
  sender_.refresh(sender_.program().state_view());
  const auto update_bytes = replay_sizes(sender_.state_view()).update_bytes;
  room_ = room_for_gradients(sender_.state_view().devices);
  // A step that waits until its gradients are sent needs no more memory than without a migration.
  if (sender_.options().spec.log_bytes_max == 0 && room_ < update_bytes) log_->hold_each();
  bound_log(update_bytes);
  const auto& now = sender_.state_view();
  if (sender_.program().begin_log(log_, window_) && now.shards && !now.shards->empty() &&
      units_.follow(now.layout, *now.shards, {})) {
    return true;
  }
  give_up();
  return false;
}

void Replay::bound_log(std::uint64_t update_bytes) {
  const auto asked = sender_.options().spec.log_bytes_max;
  const auto fits = std::min(kStepsHeld * update_bytes, room_);
  log_->set_bytes_max(asked != 0 ? asked : std::max<std::uint64_t>(fits, 1));  // 0 is no bound
}

bool Replay::covers(ChunkId chunk) const {
  if (given_up_) return false;
  const auto unit = unit_of(chunk);
  return unit && units_[*unit].is_replayed();
}

std::uint64_t Replay::bytes_left(const StateView& frozen) const {
  const auto known = dirty_bytes_;  // the log has gone over before the last step
  const auto& layout = sender_.state_view().layout;
  if (frozen.layout == layout) return known + base_bytes_left();
  const auto kept = kept_regions(layout, frozen.layout);
  auto then = units_;
  if (!frozen.shards || !then.follow(frozen.layout, *frozen.shards, kept)) {
    return frozen.layout.total_bytes();
  }
  auto left = known + staged_bytes_ + then.bytes_to_copy();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!kept[i] && !then.of(static_cast<RegionId>(i))) left += frozen.layout.regions()[i].bytes;
  }
  return left;
}

bool Replay::sync() {
  if (!std::exchange(begun_, true)) {
    sender_.stats().phase = "base_copy";
    send_uncovered_regions();
  }
  while (!sender_.frozen()) {
    follow_the_program();
    poll();
    if (given_up_) {
      sender_.progress_until([this] { return sender_.replayed().number >= updates_sent_; });
      return false;
    }
    ask_for_audit();
    predict();
    sender_.report_progress(false);
    if (sender_.frozen() || send_next()) continue;
    if (log_->empty()) sender_.progress_once(Sender::Clock::now() + kPollInterval);
  }
  audit_.reset();
  audit_asked_ = false;  // after a freeze that was put off there is another one
  return true;
}

/// At most once a step: a snapshot is not for nothing, and nothing changes in between.
void Replay::follow_the_program() {
  if (!sender_.has_news()) return;
  auto now = sender_.program().state_view();
  if (now.layout == sender_.state_view().layout) {
    sender_.refresh(std::move(now));
    return;
  }
  // Updates of steps that led to the other layout are of the former one.
  while (!given_up_) {
    if (!staged_.empty()) {
      send_staged_shard();
    } else if (auto entry = log_->take(now.step)) {
      send_entry(std::move(*entry));
    } else {
      break;
    }
  }
  if (!given_up_) take_layout(std::move(now));
}

/// Between two updates. Chunks of the base copy that are under way are of the former layout, and
/// the target waits for them.
void Replay::take_layout(StateView now) {
  const bool interrupted = audit_asked_ && !audit_concluded_;
  audit_.reset();  // its digests are of the former layout; there will be another one
  audit_asked_ = audited_ = audit_concluded_ = false;
  const auto kept = kept_regions(sender_.state_view().layout, now.layout);
  sender_.amend(std::move(now), updates_sent_, base_chunks_sent_);
  const auto& regions = sender_.state_view().layout.regions();
  const auto& shards = sender_.state_view().shards;
  const auto begun =
      shards ? units_.follow(sender_.state_view().layout, *shards, kept) : std::nullopt;
  if (!begun) {
    give_up();
    return;
  }
  // An optimizer's state comes once; what comes and goes with each step would let no audit end.
  interrupted_audits_ = interrupted && begun->empty() ? interrupted_audits_ + 1 : 0;
  if (interrupted_audits_ > kInterruptedAuditsMax) {
    sender_.tell("by rounds: what is tracked has another layout after each step");
    give_up();
    return;
  }
  for (const auto index : *begun) {
    const auto& own = units_[index].shard.regions;
    if (own.empty()) continue;
    add_name(late_names_, ++came_late_, regions[static_cast<std::size_t>(own.front())]);
  }
  std::erase_if(staged_, [this](const Staged& staged) {
    if (!units_[staged.unit].gone) return false;
    staged_bytes_ -= staged.copy.bytes.size();
    return true;
  });
  tell();
}

/// The log goes ahead of the base copy, or the lag would grow; where the link is too slow for both,
/// each gets half, or the base copy would never end. False: nothing could be sent now.
bool Replay::send_next() {
  stage_what_is_due();
  if (staged_.empty()) {
    if (auto entry = log_->take()) {
      send_entry(std::move(*entry));
      return true;
    }
    if (!stage_next_shard()) return false;
  }
  send_staged_shard();
  return true;
}

/// Once, before the log begins: what no update rewrites and the target does not hold already.
void Replay::send_uncovered_regions() {
  auto missing = sender_.differing(sender_.scan(1));
  std::erase_if(missing, [this](ChunkId chunk) { return unit_of(chunk).has_value(); });
  sender_.send_round(missing, false);
  ++sender_.stats().rounds;
  sender_.report_progress(true);
}

void Replay::stage_what_is_due() {
  if (sender_.frozen()) return;  // what was not copied goes with the rest of the frozen state
  // While an entry is on the line the window may be open; when it is done the window may not be.
  while (base_bytes_staged_ < sender_.stats().log_bytes && staged_bytes_ < kStagedMax &&
         stage_next_shard()) {
  }
}

/// Copied aside: at a slow link's pace the window would be held open for seconds. False: no shard
/// is left, or a step is being taken.
bool Replay::stage_next_shard() {
  const auto is_to_be_copied = [](const auto& unit) {
    return unit.bytes != 0 && !unit.copied_at && !unit.by_digests;
  };
  while (next_unit_ < units_.size() && !is_to_be_copied(units_[next_unit_])) ++next_unit_;
  if (next_unit_ == units_.size()) return false;
  auto& unit = units_[next_unit_];
  std::vector<MemoryRange> ranges;
  for (const auto region : unit.shard.regions) {
    ranges.push_back(range_of(sender_.state_view(), region));
  }
  if (copy_.bytes.size() != unit.bytes) {
    copy_ = ranges.front().device->allocate_host(unit.bytes);
  }
  auto read = window_->try_read();
  // An entry may be on the line before its step begins: it went without this shard's gradients.
  if (!read || read->step() < latest_step_sent_) return false;
  Staged staged{next_unit_, std::exchange(copy_, {})};
  read_ranges(ranges, staged.copy.bytes.data(), read->fence());
  unit.copied_at = read->step();
  ++next_unit_;
  base_bytes_staged_ += unit.bytes;
  staged_bytes_ += unit.bytes;
  staged_.push_back(std::move(staged));
  return true;
}

/// Before the next entry is taken: entries of steps after the copy have the shard's gradients.
void Replay::send_staged_shard() {
  const auto staged = std::move(staged_.front());
  staged_.pop_front();
  const auto& unit = units_[staged.unit];
  const auto& chunks = sender_.chunks();
  std::span<const std::byte> left = staged.copy.bytes;
  staged_bytes_ -= unit.bytes;
  for (const auto region : unit.shard.regions) {
    const auto first = std::lower_bound(
        chunks.begin(), chunks.end(), region,
        [](const ChunkSpan& chunk, RegionId wanted) { return chunk.region < wanted; });
    for (auto chunk = first; chunk != chunks.end() && chunk->region == region; ++chunk) {
      const auto id = static_cast<ChunkId>(chunk - chunks.begin());
      sender_.send_payload(data::ChunkHeader{id, data::kBaseRound},
                           {left.first(chunk->bytes), staged.copy.owner},
                           sender_.element_of(region), true);
      left = left.subspan(chunk->bytes);
      ++base_chunks_sent_;
      sender_.stats().remaining = base_bytes_left();
      poll();
      sender_.report_progress(false);
    }
  }
}

/// At the freeze: what was not sent goes with the rest of the frozen state.
void Replay::drop_staged_shards() {
  for (const auto& staged : staged_) units_[staged.unit].copied_at.reset();
  staged_.clear();
  staged_bytes_ = 0;
}

void Replay::send_entry(UpdateEntry entry) {
  const auto held = entry.bytes();
  // Of all optimizers of a step together.
  step_bytes_so_far_ = entry.step == latest_step_sent_ ? step_bytes_so_far_ + held : held;
  step_bytes_ = std::max(step_bytes_, step_bytes_so_far_);
  usual_step_bytes_ = std::max(
      step_bytes_so_far_,
      static_cast<std::uint64_t>(kStepForgetting * static_cast<double>(usual_step_bytes_)));
  latest_step_sent_ = entry.step;
  data::Update update;
  update.number = ++updates_sent_;
  update.step = entry.step;
  update.audit = entry.audit;
  update.optimizer = entry.optimizer;
  update.base_chunks = base_chunks_sent_;
  update.options = std::move(entry.options);
  std::erase_if(entry.gradients, [&](const Gradient& gradient) {
    const auto unit = units_.of(gradient.parameter);
    return !unit || !units_[*unit].is_replayed() || *units_[*unit].copied_at >= entry.step;
  });
  for (const auto& gradient : entry.gradients) {
    update.gradients.push_back(
        {static_cast<std::uint32_t>(gradient.parameter), gradient.bytes.size()});
  }
  sender_.send(update);
  poll();
  if (entry.audit && audit_ && audit_->step == entry.step) audit_->update = update.number;
  unacknowledged_.push_back({update.number, held});
  if (step_bytes_ != 0) bound_log(step_bytes_);
  ++sender_.stats().log_entries;
  send_gradients(update.number, entry);
  if (log_->empty()) sender_.wait_until_payloads_are_sent();
  log_->sent();
}

void Replay::send_gradients(std::uint64_t update, const UpdateEntry& entry) {
  const auto piece_bytes = sender_.options().spec.chunk_bytes;
  auto ahead = sender_.read_ahead(entry.fence);
  std::vector<std::uint8_t> elements;
  for (const auto& gradient : entry.gradients) {
    const auto& unit = units_[*units_.of(gradient.parameter)];
    elements.push_back(sender_.element_of(unit.shard.regions.front()));
    auto* device = gradient.device ? gradient.device.get() : &cpu_device();
    // Nobody writes to it: a range is what devices take.
    auto* bytes = const_cast<std::byte*>(gradient.bytes.data());  // NOLINT
    for (std::uint64_t offset = 0; offset < gradient.bytes.size(); offset += piece_bytes) {
      const auto size = std::min<std::size_t>(piece_bytes, gradient.bytes.size() - offset);
      ahead.want({device, {bytes + offset, size}}, elements.back());
    }
  }
  for (std::uint32_t i = 0; i < entry.gradients.size(); ++i) {
    const auto& gradient = entry.gradients[i];
    for (std::uint64_t offset = 0; offset < gradient.bytes.size();) {
      auto piece = sender_.await(ahead);
      const auto size = piece.bytes.size();
      if (!piece.owner) piece.owner = gradient.owner;
      sender_.send_payload(data::GradientHeader{update, i, offset}, std::move(piece), elements[i],
                           true);
      sender_.stats().log_bytes += size;
      offset += size;
      stage_what_is_due();
      poll();
      sender_.report_progress(false);
    }
  }
}

void Replay::finish_log(const StateView& frozen) {
  drop_staged_shards();
  while (auto entry = log_->take()) {
    entry->audit = false;  // the frozen state is compared as a whole
    send_entry(std::move(*entry));
  }
  poll();
  if (!given_up_ && !(frozen.layout == sender_.state_view().layout)) take_layout(frozen);
}

void Replay::give_up() {
  given_up_ = true;
  audit_.reset();
  log_->close();
}

void Replay::poll() {
  while (!unacknowledged_.empty() && unacknowledged_.front().update <= sender_.replayed().number) {
    log_->release(unacknowledged_.front().bytes);
    unacknowledged_.pop_front();
  }
  const auto figures = log_->figures();
  auto& stats = sender_.stats();
  stats.log_lag_bytes = figures.held_bytes;
  stats.back_pressure_ms = figures.back_pressure_ms;
  stats.hold_ms = figures.hold_ms;
  stats.window_wait_ms = window_->waited_ms();
  // A step may have several updates of which some cost nothing: the longest of late counts.
  if (const auto& replayed = sender_.replayed(); replayed.number != noted_update_) {
    noted_update_ = replayed.number;
    stats.replay_ms = std::max(replayed.replay_ms, kDecay * stats.replay_ms);
  }
  // The scan does not wait for the entry's turn on the line: by then the trainer may be steps
  // ahead.
  if (const auto step = log_->take_audit_step()) audit_.emplace(*step);
  if (audit_) poll_audit();
}

void Replay::predict() {
  const auto& stats = sender_.stats();
  const auto left = base_bytes_left();
  const auto lag = stats.log_lag_bytes;
  // The last step's own entry has to go over before it, whatever the lag is now.
  // Replaying it takes no longer than the same step here, which runs at the same time.
  sender_.expect_downtime(left + dirty_bytes_ + std::max(lag, usual_step_bytes_));
  const auto limit = sender_.options().spec.max_downtime_ms;
  const bool fits = limit > 0 && stats.expected_downtime_ms <= limit;
  const bool caught_up = lag == 0 || (lag <= step_bytes_ && log_->holds_each());
  const bool done = !base_left() && audit_concluded_ && !audit_ && caught_up;
  if (done ? fits || limit <= 0 : fits && sender_.options().spec.strategy == Strategy::automatic) {
    sender_.report_converged();
  }
}

}  // namespace cardswap
