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
#include "migrator/engine/source/replay_sync.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "migrator/base/ms_since.h"

namespace cardswap {
namespace {

constexpr std::chrono::milliseconds kPollInterval{100};
// Of a program that tracks another number of loose tensors after each step.
constexpr std::uint64_t kMaxInterruptedAudits = 32;
/// A freeze that costs hardly more than the best one to come is taken: predictions waver.
constexpr double kAsGood = 1.03;
/// Of the limit: a step may wait for the log at least so long, whatever a freeze takes besides.
constexpr double kLeastWait = 0.25;
/// Of a step, that a freeze must be able to save where it waits for a step more.
constexpr double kWorthAStep = 0.05;
/// Of --timeout, in which a freeze may wait.
constexpr double kOfTimeout = 0.5;

}  // namespace

ReplaySync::ReplaySync(SourceContext& source)
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
  sizes_ = replay_sizes(state.view());
  shipper_.begin(sizes_.update_bytes);
  bound_waits();
  const auto& now = state.view();
  if (source_.program.begin_log(log_, window_) && now.shards && !now.shards->empty() &&
      units_.follow(now.layout, *now.shards, {})) {
    const auto limit = source_.options.spec.max_stall_ms;
    holds_for_the_limit_ = course_of_replay(measured(), limit, copies()).holds;
    if (holds_for_the_limit_) log_->hold_each();
    return true;
  }
  give_up();
  return false;
}

bool ReplaySync::covers(ChunkId chunk) const {
  return !given_up_ && units_.replays(source_.state.chunks().span_of(chunk).region);
}

std::uint64_t ReplaySync::bytes_left(const StateView& frozen) const {
  if (given_up_ || log_->has_overrun()) return frozen.layout.total_bytes();
  const auto& layout = source_.state.view().layout;
  if (frozen.layout == layout) return dirty_bytes_ + base_.bytes_left();
  const auto kept = kept_regions(layout, frozen.layout);
  auto then = units_;
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
    source_.reporter.enter("base_copy");
    send_uncovered_regions();
  }
  auto& connection = source_.connection;
  while (!source_.freeze.is_here()) {
    follow_the_program();
    poll();
    if (given_up_) {
      shipper_.drop_early();
      connection.progress_until([this] { return shipper_.all_are_replayed(); });
      return false;
    }
    shipper_.set_early(base_.bytes_left() == 0 || log_->holds_each());
    ask_for_audit();
    predict();
    source_.reporter.report(false);
    if (source_.freeze.is_here() || send_next()) continue;
    if (log_->empty() && !log_->has_early())
      connection.progress(PeerConnection::Clock::now() + kPollInterval);
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
  shipper_.drop_early();
  const bool interrupted = audit_.start_over();
  auto& state = source_.state;
  const auto kept = kept_regions(state.view().layout, now.layout);
  state.amend(std::move(now), shipper_.sent(), base_.chunks_sent());
  const auto& shards = state.view().shards;
  sizes_ = replay_sizes(state.view());
  const auto begun = shards ? units_.follow(state.view().layout, *shards, kept) : std::nullopt;
  if (!begun) {
    give_up();
    return;
  }
  // An optimizer's state comes once; what comes and goes with each step would let no audit end.
  interrupted_audits_ = interrupted && begun->empty() ? interrupted_audits_ + 1 : 0;
  if (interrupted_audits_ > kMaxInterruptedAudits) {
    source_.reporter.set_note("by rounds: what is tracked has another layout after each step");
    give_up();
    return;
  }
  const auto& regions = state.view().layout.regions();
  for (const auto index : *begun) {
    const auto& own = units_[index].shard.regions;
    if (!own.empty()) report_.add_late(regions[static_cast<std::size_t>(own.front())].name);
  }
  base_.drop_gone();
  report_units();
}

/// Once, before the log begins: what no update rewrites and the target does not hold already.
void ReplaySync::send_uncovered_regions() {
  auto& state = source_.state;
  auto missing = state.chunks().differing(state.scan(1));
  std::erase_if(missing, [&](ChunkId chunk) {
    return units_.find(state.chunks().span_of(chunk).region).has_value();
  });
  state.send_round(missing, false);
  source_.reporter.note_round();
  source_.reporter.report(true);
}

/// False: nothing could be sent now.
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
    source_.reporter.set_note(
        fmt::format("by rounds: the log would have kept a step for longer than {:.0f} ms",
                    source_.options.spec.max_stall_ms));
    give_up();
  }
  if (const auto outcome = audit_.poll(units_)) conclude_audit(*outcome);
}

void ReplaySync::note_stats() {
  auto stats = shipper_.stats();
  stats.window_wait_ms = window_->waited_ms();
  stats.regions_not_replayed = report_.not_replayed();
  stats.not_replayed = report_.names_not_replayed();
  source_.reporter.note_replay(stats);
}

void ReplaySync::ask_for_audit() {
  if (base_.bytes_left() != 0) return;
  // A link slower than the gradients keeps the log full, which makes nothing faster: the trainer
  // waits for the link either way, and the freeze would wait for every entry. On a faster one the
  // log catches up by itself, and no step has to wait for it.
  if (shipper_.stats().log_lag_bytes > shipper_.gradients().most_bytes() && !log_->holds_each() &&
      log_outlasts_a_step(measured())) {
    log_->hold_each();
  }
  if (audit_.request()) source_.reporter.enter("replay");
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
  if (units_.all_go_by_digests()) give_up();
}

void ReplaySync::report_units() {
  note_stats();
  source_.reporter.set_note(report_.text(units_.size()));
}

/// Asked for by name it is to end in a state that was audited; chosen, in the least lost time.
Copies ReplaySync::copies() const {
  const bool chosen = source_.options.spec.strategy == Strategy::automatic;
  return chosen ? Copies::as_pays : Copies::whole;
}

Measurements ReplaySync::measured() const {
  auto now = source_.forecast.measurements(0, shipper_.stats().replay_ms);
  const auto seen = shipper_.gradients().usual_bytes();
  const auto worth = [&](std::uint64_t gradients) {
    return static_cast<std::uint64_t>(shipper_.worth() * static_cast<double>(gradients));
  };
  now.replayed_bytes = sizes_.replayed_bytes;
  now.update_bytes = worth(seen != 0 ? seen : sizes_.update_bytes);
  now.copied_bytes = sizes_.replayed_bytes - std::min(sizes_.replayed_bytes, base_.bytes_left());
  now.logged_bytes = worth(shipper_.stats().log_bytes);
  if (seen != 0 && shipper_.stats().early_bytes != 0) {
    const auto rest = static_cast<double>(std::min(seen, shipper_.gradients().usual_rest_bytes()));
    now.rest_share = rest / static_cast<double>(seen);
  }
  return now;
}

/// While the log goes within the steps, one more makes none late; and as long as each leaves less
/// to its entry than the one before, the last one waits for less. `now`: a freeze could be.
bool ReplaySync::is_worth_a_step(const Measurements& now) {
  if (log_->holds_each() || log_outlasts_a_step(now)) return false;
  const auto rest_ms = link_ms(now, now.rest_share * static_cast<double>(now.update_bytes));
  if (rest_ms < kWorthAStep * now.step_ms) return false;
  const auto timeout_ms = source_.options.spec.timeout_ms;
  const bool in_time = timeout_ms <= 0 ||
                       ms_since(made_at_) + now.step_ms + source_.forecast.expected_downtime_ms() <
                           kOfTimeout * timeout_ms;
  return rest_.is_worth_a_step(source_.program.step()) && in_time;
}

/// A step that waits for the log waits for the freeze as well, if it is the last one.
void ReplaySync::bound_waits() {
  const auto limit = source_.options.spec.max_stall_ms;
  if (limit <= 0) return;
  const auto besides = expected_stands(source_.forecast.measurements(0)).first;
  log_->set_wait_max(
      std::chrono::duration<double, std::milli>(std::max(limit - besides, kLeastWait * limit)));
}

/// Once a whole step's gradients were seen, before any step has waited: how many there are at most
/// was known, but experts that are chosen seldom have none in most steps.
void ReplaySync::check_the_limit(const ReplayCourse& course) {
  const auto& spec = source_.options.spec;
  if (spec.max_stall_ms <= 0 || limit_is_kept_ || shipper_.sent() == 0) return;
  if (first_step_ == 0) first_step_ = shipper_.gradients().latest_step();
  if (shipper_.gradients().latest_step() == first_step_) return;
  limit_is_kept_ = true;
  if (course.stall_ms <= spec.max_stall_ms) return;
  const auto why = fmt::format(
      "replay would keep a step of the job for {:.0f} ms, {:.0f} ms are allowed: the gradients of "
      "a step take {:.0f} ms on this link",
      course.stall_ms, spec.max_stall_ms,
      link_ms(measured(), static_cast<double>(measured().update_bytes)));
  if (spec.strategy == Strategy::replay) {
    source_.reporter.report(true);
    throw Error(Code::not_converging, why,
                fmt::format("allow more with --max-stall {:.0f}ms, raise --bandwidth, or let "
                            "--strategy auto choose",
                            1.3 * course.stall_ms));
  }
  source_.reporter.set_note("by rounds: " + why);
  give_up();
}

void ReplaySync::predict() {
  bound_waits();
  const auto lag = shipper_.stats().log_lag_bytes;  // without what goes ahead
  const auto left = base_.bytes_left();
  const auto now = measured();
  // The last step's own entry has to go over before it, whatever the lag is now: the gradients of
  // what was copied, without those that went ahead. Replaying it takes no longer than the same step
  // here, at the same time.
  const auto of_copied = [&](std::uint64_t gradients) {
    const auto all = std::max<double>(1, static_cast<double>(now.replayed_bytes));
    return static_cast<std::uint64_t>(static_cast<double>(gradients) *
                                      static_cast<double>(now.copied_bytes) / all);
  };
  const auto to_go = static_cast<std::uint64_t>(
      shipper_.worth() *
      static_cast<double>(std::max(lag, shipper_.gradients().usual_rest_bytes())));
  source_.forecast.expect_downtime(left + dirty_bytes_ + of_copied(to_go));
  const auto limit = source_.options.spec.max_stall_ms;
  const auto freeze_ms = source_.forecast.expected_downtime_ms();
  const auto stand_ms = source_.forecast.expected_stand_ms();
  const bool fits = limit <= 0 || stand_ms <= limit;
  const bool caught_up = lag <= shipper_.gradients().most_bytes();
  const bool done = left == 0 && audit_.is_done() && caught_up;
  const auto course = course_of_replay(now, limit, copies());
  const auto was = log_->stats();
  source_.forecast.expect_lateness(
      std::max(was.longest_wait_ms, done ? stand_ms : course.stall_ms),
      was.waited_ms + window_->waited_ms() + (done ? freeze_ms : course.lost_ms));
  check_the_limit(course);
  if (given_up_) return;
  // Where the log goes within a step nothing is lost by copying all, and an audit costs nothing.
  const bool may_be_early = copies() == Copies::as_pays && log_outlasts_a_step(now);
  auto at_once = now;
  at_once.dirty_bytes =
      left + of_copied(static_cast<std::uint64_t>((log_->holds_each() ? now.rest_share : 1) *
                                                  static_cast<double>(now.update_bytes)));
  const bool pays = expected_stands(at_once).all() <= kAsGood * course.lost_ms;
  if (left == 0)
    rest_.note(shipper_.gradients().latest_step(), shipper_.gradients().usual_rest_bytes());
  const bool now_or_never = done && !is_worth_a_step(now);
  if (fits && (now_or_never || (may_be_early && pays))) source_.forecast.report_converged();
}

}  // namespace cardswap
