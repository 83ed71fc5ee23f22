#include "migrator/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace cardswap {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook{100};
/// The log may hold the gradients of this many steps.
constexpr std::uint64_t kStepsHeld = 2;
/// No further shard is copied aside beyond this; a single one may be larger.
constexpr std::uint64_t kStagedMax = 256U << 20U;
constexpr std::size_t kNamesTold = 8;
constexpr double kForgetting = 0.75;

}  // namespace

Replay::Replay(Sender& sender)
    : sender_(sender),
      log_(std::make_shared<UpdateLog>([&sender] { sender.wake(); })),
      window_(std::make_shared<StateWindow>()) {}

Replay::~Replay() { log_->close(); }

bool Replay::begin() {
  // Before the program has the log: its very next step appends.
  const auto update_bytes =
      replay_sizes(sender_.program().shards(), sender_.snapshot().layout).update_bytes;
  room_ = room_for_gradients(sender_.snapshot().devices);
  // A step that waits until its gradients are sent needs no more memory than without a migration.
  if (sender_.options().log_bytes_max == 0 && room_ < update_bytes) log_->hold_each();
  bound_log(update_bytes);
  auto shards = sender_.program().begin_log(log_, window_);
  if (shards.empty() || !map_shards(std::move(shards))) {
    give_up();
    return false;
  }
  return true;
}

void Replay::bound_log(std::uint64_t update_bytes) {
  const auto asked = sender_.options().log_bytes_max;
  const auto fits = std::min(kStepsHeld * update_bytes, room_);
  log_->set_bytes_max(asked != 0 ? asked : std::max<std::uint64_t>(fits, 1));  // 0 is no bound
}

bool Replay::map_shards(std::vector<Shard> shards) {
  const auto& regions = sender_.snapshot().layout.regions();
  for (const auto& shard : shards) {
    for (const auto region : shard.regions) {
      if (static_cast<std::size_t>(region) >= regions.size()) return false;  // of another layout
    }
  }
  unit_of_region_.assign(regions.size(), std::nullopt);
  for (auto& shard : shards) {
    const auto parameter = static_cast<std::size_t>(shard.parameter);
    if (unit_of_parameter_.size() <= parameter) unit_of_parameter_.resize(parameter + 1);
    Unit unit;
    std::erase_if(shard.regions, [&](RegionId region) {
      return unit_of_region_.at(static_cast<std::size_t>(region)).has_value();
    });
    for (const auto region : shard.regions) {
      unit_of_region_[static_cast<std::size_t>(region)] = units_.size();
      unit.bytes += regions[static_cast<std::size_t>(region)].bytes;
    }
    unit.shard = std::move(shard);
    unit_of_parameter_[parameter] = units_.size();
    units_.push_back(std::move(unit));
  }
  return true;
}

Replay::Unit* Replay::unit_of(ChunkId chunk) {
  const auto region = sender_.chunks()[static_cast<std::size_t>(chunk)].region;
  const auto unit = unit_of_region_[static_cast<std::size_t>(region)];
  return unit ? &units_[*unit] : nullptr;
}
const Replay::Unit* Replay::unit_of(ChunkId chunk) const {
  return const_cast<Replay*>(this)->unit_of(chunk);  // NOLINT: adds no way to write
}

bool Replay::covers(ChunkId chunk) const {
  if (given_up_) return false;
  const auto* unit = unit_of(chunk);
  return unit != nullptr && unit->copied_at && !unit->by_digests;
}

std::uint64_t Replay::base_bytes_left() const {
  return std::accumulate(units_.begin() + static_cast<std::ptrdiff_t>(next_unit_), units_.end(),
                         staged_bytes_,
                         [](auto sum, const auto& unit) { return sum + unit.bytes; });
}

bool Replay::sync() {
  sender_.stats().phase = "base_copy";
  send_uncovered_regions();
  while (!sender_.frozen()) {
    if (sender_.refresh(sender_.program().snapshot())) {
      updates_sent_ = 0;  // the target begins anew as well
      give_up();
      return false;
    }
    tend();
    if (given_up_) return false;
    ask_for_audit();
    predict();
    sender_.progress(false);
    if (sender_.frozen() || send_next()) continue;
    if (log_->empty()) sender_.pump_once(Sender::Clock::now() + kLook);
  }
  audit_.reset();
  return true;
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

void Replay::ask_for_audit() {
  if (base_left()) return;
  // A link slower than the gradients keeps the log full, which makes nothing faster: the trainer
  // waits for the link either way, and the freeze would wait for every entry.
  if (sender_.stats().log_lag_bytes > step_bytes_ && !log_->holds_each()) log_->hold_each();
  if (audited_ || audit_asked_) return;
  audit_asked_ = true;
  sender_.stats().phase = "replay";
  log_->request_audit();
}

/// Once, before the log begins: what no update rewrites and the target does not hold already.
void Replay::send_uncovered_regions() {
  auto missing = sender_.differing(sender_.scan(1));
  std::erase_if(missing, [this](ChunkId chunk) { return unit_of(chunk) != nullptr; });
  sender_.send_round(missing, false);
  ++sender_.stats().rounds;
  sender_.progress(true);
}

void Replay::stage_what_is_due() {
  // While an entry is on the line the window may be open; when it is done the window may not be.
  while (base_bytes_staged_ < sender_.stats().log_bytes && staged_bytes_ < kStagedMax &&
         stage_next_shard()) {
  }
}

/// Copied aside: at a slow link's pace the window would be held open for seconds. False: no shard
/// is left, or a step is being taken.
bool Replay::stage_next_shard() {
  if (next_unit_ == units_.size()) return false;
  auto& unit = units_[next_unit_];
  std::vector<MemoryRange> ranges;
  for (const auto region : unit.shard.regions) {
    ranges.push_back(range_of(sender_.snapshot(), region));
  }
  if (!copy_.owner) copy_ = ranges.front().device->allocate_host(unit.bytes);
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
      tend();
      sender_.progress(false);
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
  latest_step_sent_ = entry.step;
  data::Update update;
  update.number = ++updates_sent_;
  update.step = entry.step;
  update.audit = entry.audit;
  update.optimizer = entry.optimizer;
  update.base_chunks = base_chunks_sent_;
  update.options = std::move(entry.options);
  std::erase_if(entry.gradients, [&](const Gradient& gradient) {
    const auto parameter = static_cast<std::size_t>(gradient.parameter);
    if (parameter >= unit_of_parameter_.size() || !unit_of_parameter_[parameter]) return true;
    const auto& unit = units_[*unit_of_parameter_[parameter]];
    return unit.by_digests || !unit.copied_at || *unit.copied_at >= entry.step;
  });
  for (const auto& gradient : entry.gradients) {
    update.gradients.push_back(
        {static_cast<std::uint32_t>(gradient.parameter), gradient.bytes.size()});
  }
  sender_.send(update);
  tend();
  if (entry.audit && audit_ && audit_->step == entry.step) audit_->update = update.number;
  unacknowledged_.push_back({update.number, held});
  if (step_bytes_ != 0) bound_log(step_bytes_);
  ++sender_.stats().log_entries;
  send_gradients(update.number, entry);
  if (log_->empty()) sender_.wait_until_payloads_are_sent();
  log_->sent();
}

void Replay::send_gradients(std::uint64_t update, const UpdateEntry& entry) {
  const auto piece_bytes = sender_.options().chunk_bytes;
  auto ahead = sender_.read_ahead(entry.fence);
  std::vector<std::uint8_t> elements;
  for (const auto& gradient : entry.gradients) {
    const auto& unit = units_[*unit_of_parameter_[static_cast<std::size_t>(gradient.parameter)]];
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
      tend();
      sender_.progress(false);
    }
  }
}

void Replay::finish_log() {
  drop_staged_shards();
  while (auto entry = log_->take()) {
    entry->audit = false;  // the frozen state is compared as a whole
    send_entry(std::move(*entry));
  }
  tend();
}

void Replay::give_up() {
  given_up_ = true;
  audit_.reset();
  log_->close();
}

void Replay::tend() {
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
    stats.replay_ms = std::max(replayed.replay_ms, kForgetting * stats.replay_ms);
  }
  // The scan does not wait for the entry's turn on the line: by then the trainer may be steps
  // ahead.
  if (const auto step = log_->take_audit_step()) audit_.emplace(*step);
  if (audit_) tend_audit();
}

void Replay::tend_audit() {
  auto& audit = *audit_;
  if (!audit.now && !audit.scan) {
    auto read = window_->try_read();
    if (!read || read->step() < audit.step) return;
    if (read->step() > audit.step) {  // the step after it came first; try another one
      audit_.reset();
      audit_asked_ = false;
      return;
    }
    audit.snapshot = sender_.snapshot();
    const auto fence = read->fence();
    // Let go by the scan itself: the engine may be busy on a slow line when it ends.
    auto reading = std::make_shared<std::optional<StateWindow::Read>>(std::move(*read));
    audit.scan.emplace(ranges_of(audit.snapshot, sender_.chunks()), fence, 1U,
                       [this, reading = std::move(reading)] {
                         reading->reset();
                         sender_.wake();
                       });
  }
  if (audit.scan && audit.scan->done()) {
    audit.now = audit.scan->digests();
    audit.scan.reset();
  }
  if (audit.now && audit.update != 0 && sender_.audited() &&
      sender_.audited()->number == audit.update) {
    conclude_audit();
  }
}

/// Both sides' digests after the same update: what an update rewrites must agree by itself.
void Replay::conclude_audit() {
  const auto now = std::move(*audit_->now);
  audit_.reset();
  const auto& theirs = sender_.audited()->chunks;
  std::vector<ChunkId> missing;
  for (std::size_t i = 0; i < now.size(); ++i) {
    const auto chunk = static_cast<ChunkId>(i);
    if (covers(chunk)) {
      if (now[i] == theirs[i]) continue;
      auto& unit = *unit_of(chunk);
      unit.by_digests = true;
      const auto region = static_cast<std::size_t>(sender_.chunks()[i].region);
      auto& names = sender_.stats().not_replayed;
      if (++sender_.stats().regions_not_replayed <= kNamesTold) {
        names += (names.empty() ? "" : ", ") + sender_.snapshot().layout.regions()[region].name;
      }
    }
    sender_.held()[i] = theirs[i];
    if (now[i] != theirs[i]) missing.push_back(chunk);
  }
  dirty_bytes_ = sender_.bytes_in(missing);
  ++sender_.stats().rounds;
  audited_ = missing.empty();
  audit_asked_ = false;
  if (!missing.empty()) sender_.send_round(missing, false);
  const auto wrong = [](const Unit& unit) { return unit.by_digests; };
  if (std::all_of(units_.begin(), units_.end(), wrong)) give_up();
}

void Replay::predict() {
  const auto& stats = sender_.stats();
  const auto left = base_bytes_left();
  const auto lag = stats.log_lag_bytes;
  // The last step's own entry has to go over before it, whatever the lag is now.
  // Replaying it takes no longer than the same step here, which runs at the same time.
  sender_.expect_downtime(left + dirty_bytes_ + std::max(lag, step_bytes_));
  const auto limit = sender_.options().max_downtime_ms;
  const bool fits = limit > 0 && stats.expected_downtime_ms <= limit;
  const bool caught_up = lag == 0 || (lag <= step_bytes_ && log_->holds_each());
  const bool done = !base_left() && stats.rounds > 1 && !audit_ && caught_up;
  if (done ? fits || limit <= 0 : fits && sender_.options().strategy == Strategy::automatic) {
    sender_.report_converged();
  }
}

}  // namespace cardswap
