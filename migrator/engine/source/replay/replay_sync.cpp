// One loop on the engine's thread sends everything, in an order that keeps three promises:
//  - A shard's copy and the first gradients that follow it are of consecutive steps. A copy is made
//    only while the window is open, and never older than the latest entry sent; it goes over before
//    the next entry is taken, because entries of later steps have the shard's gradients.
//  - The log goes ahead of the base copy, or its lag would grow; shards are copied ahead only to
//    the amount of gradients sent, so that on a slow link each gets half of it.
//  - Updates that led to another layout go over before that layout does.
//  - Gradients of the step under way go ahead of their entry once the base copy is complete, or
//    where each step waits for its entry; only while no entry waits.
// The training thread appends to the log and closes the window around its step; it waits for this
// thread in two places only: where the log is full, and while a copy or the audit's scan reads. In
// the first no step waits for longer than --max-stall allows: the log ends before that.
#include "migrator/engine/source/replay/replay_sync.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "migrator/base/ms_since.h"
#include "migrator/engine/replay_sizes.h"

namespace cardswap {
namespace {

constexpr std::chrono::milliseconds kPollInterval{100};
// For a program that tracks another number of tensors after each step.
constexpr std::uint64_t kInterruptedAuditsMax = 32;

}  // namespace

ReplaySync::ReplaySync(SourceContext& source)
    : source_(source),
      log_(std::make_shared<UpdateLog>([&source] { source.connection.wake(); })),
      window_(std::make_shared<StateWindow>()),
      base_(source, *window_, shards_),
      shipper_(source, *log_, shards_),
      audit_(source, *log_, *window_) {}

ReplaySync::~ReplaySync() { log_->close(); }

bool ReplaySync::begin() {
  auto& state = source_.state;
  state.refresh(source_.program.state_view());
  sizes_ = replay_sizes(state.view());
  shipper_.begin(sizes_.update_bytes);
  bound_waits();
  const auto& now = state.view();
  if (source_.program.begin_log(log_, window_) && now.shards && !now.shards->empty() &&
      shards_.follow(now.layout, *now.shards, {})) {
    const auto limit = source_.options.spec.max_stall_ms;
    holds_for_the_limit_ = course_of_replay(measurements_of(facts()), limit,
                                            freeze_when(source_.options.spec.strategy))
                               .holds;
    if (holds_for_the_limit_) log_->hold_each_step();
    return true;
  }
  give_up();
  return false;
}

bool ReplaySync::covers(ChunkId chunk) const {
  return !given_up_ && shards_.replays(source_.state.chunks().span_of(chunk).region);
}

std::uint64_t ReplaySync::bytes_left(const StateView& frozen) const {
  if (given_up_ || log_->has_overrun()) return frozen.layout.total_bytes();
  const auto& layout = source_.state.view().layout;
  if (frozen.layout == layout) return dirty_bytes_ + base_.bytes_left();
  const auto kept = kept_regions(layout, frozen.layout);
  auto then = shards_;
  if (!frozen.shards || !then.follow(frozen.layout, *frozen.shards, kept)) {
    return frozen.layout.total_bytes();
  }
  auto left = dirty_bytes_ + base_.bytes_staged() + then.bytes_to_copy();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!kept[i] && !then.find(static_cast<RegionId>(i))) left += frozen.layout.regions()[i].bytes;
  }
  return left;
}

bool ReplaySync::sync() {
  if (!std::exchange(begun_, true)) {
    source_.reporter.enter(MigrationPhase::base_copy);
    send_uncovered_regions();
  }
  auto& connection = source_.connection;
  while (!source_.freeze.has_arrived()) {
    follow_the_program();
    poll();
    if (given_up_) {
      shipper_.drop_early();
      connection.progress_until([this] { return shipper_.all_are_replayed(); });
      return false;
    }
    shipper_.set_early(base_.bytes_left() == 0 || log_->holds_each_step());
    ask_for_audit();
    look_ahead();
    source_.reporter.report(false);
    if (source_.freeze.has_arrived() || send_next()) continue;
    if (log_->empty() && !log_->has_early())
      connection.progress(ConnectionToTarget::Clock::now() + kPollInterval);
  }
  audit_.cancel();
  return true;
}

/// Takes a view at most once a step: a view has a cost, and nothing changes within a step.
void ReplaySync::follow_the_program() {
  if (!source_.state.has_new_step()) return;
  auto now = source_.program.state_view();
  if (now.layout == source_.state.view().layout) {
    source_.state.refresh(std::move(now));
    return;
  }
  // Updates of steps before the change belong to the former layout.
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

/// Called between two updates. Chunks of the base copy in flight belong to the former layout, and
/// the target waits for them.
void ReplaySync::take_layout(StateView now) {
  shipper_.drop_early();
  const bool interrupted = audit_.start_over();
  auto& state = source_.state;
  const auto kept = kept_regions(state.view().layout, now.layout);
  state.amend(std::move(now), shipper_.updates_sent(), base_.chunks_sent());
  const auto& shards = state.view().shards;
  sizes_ = replay_sizes(state.view());
  const auto begun = shards ? shards_.follow(state.view().layout, *shards, kept) : std::nullopt;
  if (!begun) {
    give_up();
    return;
  }
  // An optimizer creates its state once. State that changes with each step would keep every audit
  // from ending.
  interrupted_audits_ = interrupted && begun->empty() ? interrupted_audits_ + 1 : 0;
  if (interrupted_audits_ > kInterruptedAuditsMax) {
    source_.reporter.set_remark("by rounds: what is tracked has another layout after each step");
    give_up();
    return;
  }
  const auto& regions = state.view().layout.regions();
  for (const auto index : *begun) {
    const auto& own = shards_[index].shard.regions;
    if (!own.empty()) report_.add_late(regions[static_cast<std::size_t>(own.front())].name);
  }
  base_.drop_gone();
  report_units();
}

/// Sends, once before the log begins, the state that no update rewrites and that the target lacks.
void ReplaySync::send_uncovered_regions() {
  auto& state = source_.state;
  auto missing = state.chunks().differing(state.scan(1));
  std::erase_if(missing, [&](ChunkId chunk) {
    return shards_.find(state.chunks().span_of(chunk).region).has_value();
  });
  state.send_round(missing, false);
  source_.reporter.note_round();
  source_.reporter.report(true);
}

/// Sends the next entry, shard or early gradient. False: nothing can be sent now.
bool ReplaySync::send_next() {
  stage_ahead();
  if (!base_.has_staged()) {
    if (auto entry = log_->take()) {
      send_entry(std::move(*entry));
      return true;
    }
    if (shipper_.send_early_piece()) return true;
    if (!base_.stage_next(shipper_.gradients().latest_step())) return false;
  }
  send_staged_shard();
  return true;
}

/// Where each step waits for its entry and may wait for little else, the base copy has the link
/// while the program computes.
void ReplaySync::stage_ahead() {
  if (holds_for_the_limit_) return;
  base_.stage_ahead(shipper_.gradients().latest_step(), shipper_.stats().log_bytes);
}

void ReplaySync::send_staged_shard() {
  base_.send_staged([this] { poll(); });
}

void ReplaySync::send_entry(UpdateEntry entry) {
  poll();  // by now the log has told of the audit that the entry may be
  if (entry.audit) audit_.note_sent_as(entry.step, shipper_.updates_sent() + 1);
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
  shipper_.drop_early();
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
  note_stats();
  if (log_->has_overrun() && !given_up_) {
    source_.reporter.set_remark(
        fmt::format("by rounds: the log would have kept a step for longer than {:.0f} ms",
                    source_.options.spec.max_stall_ms));
    give_up();
  }
  if (const auto outcome = audit_.poll(shards_)) conclude_audit(*outcome);
}

void ReplaySync::note_stats() {
  auto stats = shipper_.stats();
  stats.window_wait_ms = window_->waited_ms();
  stats.shards_not_replayed = report_.not_replayed();
  stats.not_replayed = report_.names_not_replayed();
  source_.reporter.note_replay(stats);
}

void ReplaySync::ask_for_audit() {
  if (base_.bytes_left() != 0) return;
  // A link slower than the gradients keeps the log full, which makes nothing faster: the trainer
  // waits for the link either way, and the freeze would wait for every entry. On a faster one the
  // log catches up by itself, and no step has to wait for it.
  if (shipper_.stats().log_lag_bytes > shipper_.gradients().most_bytes() &&
      !log_->holds_each_step() && log_outlasts_a_step(measurements_of(facts()))) {
    log_->hold_each_step();
  }
  if (audit_.request()) source_.reporter.enter(MigrationPhase::replay);
}

void ReplaySync::conclude_audit(const AuditOutcome& outcome) {
  const auto& regions = source_.state.view().layout.regions();
  for (const auto region : outcome.regions) {
    report_.add_not_replayed(regions[static_cast<std::size_t>(region)].name);
  }
  if (!outcome.regions.empty()) report_units();
  dirty_bytes_ = source_.state.chunks().bytes_in(outcome.missing);
  source_.reporter.note_round();
  if (!outcome.missing.empty()) source_.state.send_round(outcome.missing, false);
  if (shards_.all_go_by_digests()) give_up();
}

void ReplaySync::report_units() {
  note_stats();
  source_.reporter.set_remark(report_.text(shards_.size()));
}

ReplayFacts ReplaySync::facts() const {
  const auto& stats = shipper_.stats();
  const auto log = log_->stats();
  ReplayFacts facts;
  facts.measured = source_.forecast.measurements(dirty_bytes_, stats.replay_ms);
  facts.sizes = sizes_;
  facts.bytes_to_copy = base_.bytes_left();
  facts.is_audited = audit_.is_done();
  facts.gradients = shipper_.gradients();
  facts.state_bytes_per_gradient_byte = shipper_.state_bytes_per_gradient_byte();
  facts.updates_sent = shipper_.updates_sent();
  facts.log_bytes = stats.log_bytes;
  facts.early_bytes = stats.early_bytes;
  facts.lag_bytes = stats.log_lag_bytes;
  facts.unsent_bytes = log.unsent_bytes;
  facts.holds_each_step = log_->holds_each_step();
  facts.longest_wait_ms = log.longest_wait_ms;
  facts.waited_ms = log.waited_ms + window_->waited_ms();
  facts.program_step = source_.program.step();
  facts.age_ms = ms_since(made_at_);
  return facts;
}

void ReplaySync::bound_waits() {
  const auto limit = source_.options.spec.max_stall_ms;
  if (limit <= 0) return;
  log_->set_wait_max(std::chrono::duration<double, std::milli>(
      wait_max_ms(source_.forecast.measurements(0), limit)));
}

void ReplaySync::look_ahead() {
  using Advice = ReplayForecast::Advice;
  bound_waits();
  const auto predicted = forecast_of(facts(), source_.options.spec, history_);
  source_.forecast.predict_downtime(predicted.freeze_bytes);
  source_.forecast.predict_lateness(predicted.stall_ms, predicted.lost_ms);
  switch (predicted.advice) {
    case Advice::go_on: return;
    case Advice::offer_freeze: source_.forecast.report_converged(); return;
    case Advice::go_by_rounds:
      source_.reporter.set_remark(predicted.why);
      give_up();
      return;
    case Advice::refuse:
      source_.reporter.report(true);
      throw Error(Code::not_converging, predicted.why, predicted.hint);
  }
}

}  // namespace cardswap
