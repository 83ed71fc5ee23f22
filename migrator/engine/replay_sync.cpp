// One loop on the engine's thread sends everything, in an order that keeps three promises:
//  - A shard's copy and the first gradients that follow it are of consecutive steps. A copy is made
//    only while the window is open, and never older than the latest entry sent; it goes over before
//    the next entry is taken, because entries of later steps have the shard's gradients.
//  - The log goes ahead of the base copy, or its lag would grow; shards are copied ahead only to
//    the amount of gradients sent, so that on a slow link each gets half of it.
//  - Updates that led to another layout go over before that layout does.
// The training thread appends to the log and closes the window around its step; it waits for this
// thread in two places only: where the log is full, and while a copy or the audit's scan reads.
#include "migrator/engine/replay_sync.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

namespace cardswap {
namespace {

constexpr std::chrono::milliseconds kPollInterval{100};
// Of a program that tracks another number of loose tensors after each step.
constexpr std::uint64_t kMaxInterruptedAudits = 32;

}  // namespace

ReplaySync::ReplaySync(SourceParts& source)
    : source_(source),
      log_(std::make_shared<UpdateLog>([&source] { source.connection.wake(); })),
      window_(std::make_shared<StateWindow>()),
      base_(source, *window_, units_),
      shipper_(source, *log_, units_),
      audit_(source, *log_, *window_) {}

ReplaySync::~ReplaySync() { log_->close(); }

bool ReplaySync::begin() {
  auto& state = source_.state;
  state.refresh(source_.program.state_view());
  shipper_.begin(replay_sizes(state.view()).update_bytes);
  const auto& now = state.view();
  if (source_.program.begin_log(log_, window_) && now.shards && !now.shards->empty() &&
      units_.follow(now.layout, *now.shards, {})) {
    return true;
  }
  give_up();
  return false;
}

bool ReplaySync::covers(ChunkId chunk) const {
  return !given_up_ && units_.replays(source_.state.chunks().span_of(chunk).region);
}

std::uint64_t ReplaySync::bytes_left(const StateView& frozen) const {
  const auto known = dirty_bytes_;  // the log has gone over before the last step
  const auto& layout = source_.state.view().layout;
  if (frozen.layout == layout) return known + base_.bytes_left();
  const auto kept = kept_regions(layout, frozen.layout);
  auto then = units_;
  if (!frozen.shards || !then.follow(frozen.layout, *frozen.shards, kept)) {
    return frozen.layout.total_bytes();
  }
  auto left = known + base_.bytes_staged() + then.bytes_to_copy();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!kept[i] && !then.of(static_cast<RegionId>(i))) left += frozen.layout.regions()[i].bytes;
  }
  return left;
}

bool ReplaySync::sync() {
  if (!std::exchange(begun_, true)) {
    source_.figures.enter("base_copy");
    send_uncovered_regions();
  }
  auto& connection = source_.connection;
  while (!source_.freeze.is_here()) {
    follow_the_program();
    poll();
    if (given_up_) {
      connection.progress_until([this] { return shipper_.all_are_replayed(); });
      return false;
    }
    ask_for_audit();
    predict();
    source_.figures.report(false);
    if (source_.freeze.is_here() || send_next()) continue;
    if (log_->empty()) connection.progress(PeerConnection::Clock::now() + kPollInterval);
  }
  audit_.cancel();
  return true;
}

/// At most once a step: a view is not for nothing, and nothing changes in between.
void ReplaySync::follow_the_program() {
  if (!source_.state.has_news()) return;
  auto now = source_.program.state_view();
  if (now.layout == source_.state.view().layout) {
    source_.state.refresh(std::move(now));
    return;
  }
  // Updates of steps that led to the other layout are of the former one.
  while (!given_up_) {
    if (base_.has_staged()) {
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
void ReplaySync::take_layout(StateView now) {
  const bool interrupted = audit_.start_over();
  auto& state = source_.state;
  const auto kept = kept_regions(state.view().layout, now.layout);
  state.amend(std::move(now), shipper_.sent(), base_.chunks_sent());
  const auto& shards = state.view().shards;
  const auto begun = shards ? units_.follow(state.view().layout, *shards, kept) : std::nullopt;
  if (!begun) {
    give_up();
    return;
  }
  // An optimizer's state comes once; what comes and goes with each step would let no audit end.
  interrupted_audits_ = interrupted && begun->empty() ? interrupted_audits_ + 1 : 0;
  if (interrupted_audits_ > kMaxInterruptedAudits) {
    source_.figures.tell("by rounds: what is tracked has another layout after each step");
    give_up();
    return;
  }
  const auto& regions = state.view().layout.regions();
  for (const auto index : *begun) {
    const auto& own = units_[index].shard.regions;
    if (!own.empty()) report_.add_late(regions[static_cast<std::size_t>(own.front())].name);
  }
  base_.drop_gone();
  tell();
}

/// Once, before the log begins: what no update rewrites and the target does not hold already.
void ReplaySync::send_uncovered_regions() {
  auto& state = source_.state;
  auto missing = state.chunks().differing(state.scan(1));
  std::erase_if(missing, [&](ChunkId chunk) {
    return units_.of(state.chunks().span_of(chunk).region).has_value();
  });
  state.send_round(missing, false);
  source_.figures.note_round();
  source_.figures.report(true);
}

/// False: nothing could be sent now.
bool ReplaySync::send_next() {
  stage_ahead();
  if (!base_.has_staged()) {
    if (auto entry = log_->take()) {
      send_entry(std::move(*entry));
      return true;
    }
    if (!base_.stage_next(shipper_.latest_step())) return false;
  }
  send_staged_shard();
  return true;
}

void ReplaySync::stage_ahead() {
  base_.stage_ahead(shipper_.latest_step(), shipper_.figures().log_bytes);
}

void ReplaySync::send_staged_shard() {
  base_.send_staged([this] { poll(); });
}

void ReplaySync::send_entry(UpdateEntry entry) {
  poll();  // by now the log has told of the audit that the entry may be
  if (entry.audit) audit_.sent_as(entry.step, shipper_.sent() + 1);
  shipper_.send(std::move(entry), base_.chunks_sent(), [this] {
    stage_ahead();
    poll();
  });
}

void ReplaySync::finish_log(const StateView& frozen) {
  base_.drop_staged();
  while (auto entry = log_->take()) {
    entry->audit = false;  // the frozen state is compared as a whole
    send_entry(std::move(*entry));
  }
  poll();
  if (!given_up_ && !(frozen.layout == source_.state.view().layout)) take_layout(frozen);
}

void ReplaySync::give_up() {
  given_up_ = true;
  audit_.cancel();
  log_->close();
}

void ReplaySync::poll() {
  shipper_.release_replayed();
  note_figures();
  if (const auto outcome = audit_.poll(units_)) conclude_audit(*outcome);
}

void ReplaySync::note_figures() {
  auto figures = shipper_.figures();
  figures.window_wait_ms = window_->waited_ms();
  figures.regions_not_replayed = report_.not_replayed();
  figures.not_replayed = report_.names_not_replayed();
  source_.figures.note_replay(figures);
}

void ReplaySync::ask_for_audit() {
  if (base_.bytes_left() != 0) return;
  // A link slower than the gradients keeps the log full, which makes nothing faster: the trainer
  // waits for the link either way, and the freeze would wait for every entry.
  if (shipper_.figures().log_lag_bytes > shipper_.step_bytes() && !log_->holds_each())
    log_->hold_each();
  if (audit_.request()) source_.figures.enter("replay");
}

void ReplaySync::conclude_audit(const AuditOutcome& outcome) {
  const auto& regions = source_.state.view().layout.regions();
  for (const auto region : outcome.regions) {
    report_.add_not_replayed(regions[static_cast<std::size_t>(region)].name);
  }
  if (!outcome.regions.empty()) tell();
  dirty_bytes_ = source_.state.chunks().bytes_in(outcome.missing);
  source_.figures.note_round();
  if (!outcome.missing.empty()) source_.state.send_round(outcome.missing, false);
  if (units_.all_go_by_digests()) give_up();
}

void ReplaySync::tell() {
  note_figures();
  source_.figures.tell(report_.text(units_.size()));
}

void ReplaySync::predict() {
  const auto lag = shipper_.figures().log_lag_bytes;
  const auto left = base_.bytes_left();
  // The last step's own entry has to go over before it, whatever the lag is now.
  // Replaying it takes no longer than the same step here, which runs at the same time.
  source_.figures.expect_downtime(left + dirty_bytes_ + std::max(lag, shipper_.usual_step_bytes()));
  const auto limit = source_.options.spec.max_downtime_ms;
  const bool fits = limit > 0 && source_.figures.expected_downtime_ms() <= limit;
  const bool caught_up = lag == 0 || (lag <= shipper_.step_bytes() && log_->holds_each());
  const bool done = left == 0 && audit_.is_done() && caught_up;
  if (done ? fits || limit <= 0 : fits && source_.options.spec.strategy == Strategy::automatic) {
    source_.figures.report_converged();
  }
}

}  // namespace cardswap
