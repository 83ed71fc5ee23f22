#include "migrator/plan/replay_course.h"

#include <algorithm>

namespace cardswap {
namespace {

constexpr int kPieces = 64;
/// The share of the link for the base copy, and for the log, if both need it:
/// BaseCopy::stage_ahead().
constexpr double kShare = 0.5;
/// The share of the link for the base copy while the log catches up.
constexpr double kCrawls = 0.05;
/// Steps from the end of the base copy to the freeze: an audit takes the next boundary, and its
/// answer comes during the step after it.
constexpr double kStepsToAudit = 2;
/// The share of a step (forward and backward) during which an audit's scan delays nothing.
constexpr double kScanBeside = 0.7;

/// Simulates one course, piece by piece.
class Walk {
 public:
  Walk(const Measurements& measured, bool holds)
      : measured_(measured),
        step_(std::max(measured.step_ms, 1.0)),
        gradients_(link_ms(measured, static_cast<double>(measured.update_bytes))),
        base_(link_ms(measured, static_cast<double>(measured.replayed_bytes))),
        base_sent_(link_ms(measured, static_cast<double>(measured.copied_bytes))),
        log_sent_(link_ms(measured, static_cast<double>(measured.logged_bytes))) {
    at_.holds = holds;
    at_.copied = base_ > 0 ? std::min(1.0, base_sent_ / base_) : 1;
    logged_before_ = log_sent_;
  }

  [[nodiscard]] bool is_whole() const { return at_.copied >= 1; }

  /// Copies one more piece.
  void go_on() {
    const double to = std::min(1.0, at_.copied + 1.0 / kPieces);
    const double piece = base_ * (to - at_.copied);
    const double demand = gradients_ * (at_.copied + to) / 2 / step_;  // of the link
    at_.copied = to;
    double took = 0;
    lagging_ = false;
    if (at_.holds) {
      took = piece * (1 + demand);
      late(piece * demand, demand * step_);
      log_sent_ += piece * demand;
    } else {
      const bool log_is_ahead = log_sent_ >= base_sent_;
      const double copies_at = std::max(1 - demand, log_is_ahead ? kShare : kCrawls);
      const double logs_at = std::min(demand, 1 - copies_at);
      took = piece / copies_at;
      lagging_ = demand > logs_at;
      if (lagging_) late(took * (1 - logs_at / demand), (demand / logs_at - 1) * step_);
      log_sent_ += took * logs_at;
    }
    base_sent_ += piece;
    at_.sync_ms += took;
  }

  /// After the base copy: adds the time until an audit has its result.
  void audit() {
    const bool slow = log_outlasts_a_step(measured_);
    const double each = slow ? gradients_ * measured_.rest_share : 0;
    at_.sync_ms += kStepsToAudit * (step_ + each);
    log_sent_ += kStepsToAudit * gradients_;
    if (slow) {
      // The first held step also waits for older entries of the log.
      const double before = lagging_ ? gradients_ : 0;
      late(kStepsToAudit * each + before, each + before);
    }
    lagging_ = false;
    const double scan =
        digest_ms(measured_, static_cast<double>(measured_.state_bytes)) - kScanBeside * step_;
    if (scan > 0) late(scan, scan);
  }

  /// The course so far, plus a freeze now.
  [[nodiscard]] ReplayCourse frozen() const {
    auto course = at_;
    auto then = measured_;
    const auto left = static_cast<double>(measured_.replayed_bytes) * (1 - at_.copied);
    const auto entry = static_cast<double>(measured_.update_bytes) * at_.copied;
    const double rest =
        at_.holds || is_whole() ? measured_.rest_share : 1;  // others have gone ahead
    then.dirty_bytes = static_cast<std::uint64_t>(left + entry * ((lagging_ ? 1 : 0) + rest));
    const auto stands = expected_stands(then);
    course.freeze_ms = stands.all();
    course.stall_ms = std::max(course.stall_ms, stands.longest());
    course.lost_ms += course.freeze_ms;
    const double logged_ms = log_sent_ - logged_before_;
    const double bytes_a_ms = base_ > 0 ? static_cast<double>(measured_.replayed_bytes) / base_ : 0;
    course.logged = static_cast<std::uint64_t>(logged_ms * bytes_a_ms);
    return course;
  }

 private:
  void late(double in_all, double each) {
    at_.lost_ms += in_all;
    at_.stall_ms = std::max(at_.stall_ms, each);
  }

  const Measurements& measured_;
  const double step_;
  const double gradients_;  // on the link, of one step
  const double base_;       // on the link
  double base_sent_;        // of that
  double log_sent_;
  double logged_before_ = 0;
  bool lagging_ = false;
  ReplayCourse at_;
};

bool is_better(const ReplayCourse& a, const ReplayCourse& b, double max_stall_ms) {
  const auto fits = [&](const ReplayCourse& course) {
    return max_stall_ms <= 0 || course.stall_ms <= max_stall_ms;
  };
  if (fits(a) != fits(b)) return fits(a);
  return fits(a) ? a.lost_ms < b.lost_ms : a.stall_ms < b.stall_ms;
}

}  // namespace

bool log_outlasts_a_step(const Measurements& measured) {
  const double step = std::max(measured.step_ms, 1.0);
  return link_ms(measured, static_cast<double>(measured.update_bytes)) >= step ||
         measured.replay_ms >= step;
}

ReplayCourse course_of_replay(const Measurements& measured, double max_stall_ms, FreezeWhen when) {
  const auto whole_of = [&](bool holds) {
    Walk walk(measured, holds);
    while (!walk.is_whole()) walk.go_on();
    walk.audit();
    return walk.frozen();
  };
  auto best = whole_of(false);
  const auto consider = [&](const ReplayCourse& other) {
    if (is_better(other, best, max_stall_ms)) best = other;
  };
  const bool may_hold = max_stall_ms > 0 && log_outlasts_a_step(measured);
  if (may_hold) consider(whole_of(true));
  if (when == FreezeWhen::base_is_whole) return best;
  for (const bool holds : {false, true}) {
    if (holds && !may_hold) break;
    Walk walk(measured, holds);
    // Before the first piece it would be a stop-copy.
    if (measured.copied_bytes > 0) consider(walk.frozen());
    for (; !walk.is_whole(); consider(walk.frozen())) walk.go_on();
  }
  return best;
}

}  // namespace cardswap
