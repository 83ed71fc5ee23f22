#include "migrator/engine/source/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "migrator/base/ms_since.h"
#include "migrator/engine/source/rehearsal.h"
#include "migrator/engine/source/replay_sync.h"
#include "migrator/engine/source/rounding.h"
#include "migrator/engine/source/rounds.h"
#include "migrator/engine/source/source_context.h"
#include "migrator/engine/source/strategy_choice.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxResends = 3;
/// The program stands for so long at most, and as many of its own steps more, until the standby has
/// taken the step that both were to take.
constexpr std::chrono::milliseconds kRehearsalWaitMin{3000};
constexpr double kRehearsalWaitSteps = 3;

}  // namespace

/// One migration's sending end, written as the straight line that it is: connect, sync by one of
/// the strategies while the program trains, then the rest of the frozen state.
class Source::Impl {
 public:
  Impl(SourceOptions options, SourceProgram& program, SourceCallbacks callbacks)
      : options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        context_(options_, program, callbacks_, stop_.get_token()),
        thread_([this] { run(); }) {}

  ~Impl() {
    stop_.request_stop();
    wake();
    thread_.join();
  }

  void freeze(FrozenState state) {
    context_.freeze.put(std::move(state));
    wake();
  }
  void wake() { context_.connection.wake(); }

 private:
  void run() {
    const auto stopped = [this] { return stop_.stop_requested(); };
    try {
      rehearses_ = rehearses();
      if (rehearses_) context_.forecast.expect_rehearsal();
      context_.connect();
      do {
        sync();
      } while (context_.freeze.is_here() && !freeze_holds());
      if (context_.freeze.is_here()) {
        if (rehearses_) rehearse();
        if (callbacks_.frozen) callbacks_.frozen(context_.freeze.state().step);
        finish_frozen();
      }
      context_.connection.progress_until(stopped);
    } catch (...) {
      replay_.reset();  // a trainer that waits for the log goes on before anything else
      if (!stopped() && callbacks_.failed)
        callbacks_.failed(named(error_of(std::current_exception())));
    }
    replay_.reset();
    context_.connection.close();
  }

  [[nodiscard]] Error named(const Error& error) const {
    return error.within(
        fmt::format("migration {} to {}:{}", options_.migration, options_.host, options_.port));
  }

  /// Until the program is frozen. Comes again after a freeze that was put off, and goes on then.
  void sync() {
    if (!strategy_) strategy_ = choose_strategy(context_);
    if (strategy_ == Strategy::stop_copy) return wait_for_freeze();
    if (strategy_ == Strategy::replay) {
      context_.reporter.use(Strategy::replay);
      const bool begins = !replay_;
      if (begins) replay_.emplace(context_);
      if ((!begins || replay_->begin()) && replay_->sync()) return;
      replay_.reset();
      strategy_ = Strategy::rounds;
    }
    context_.reporter.use(Strategy::rounds);
    if (!std::exchange(rounds_were_looked_at_, true)) expect_rounds_to_fit(context_);
    sync_by_rounds(context_);
  }

  /// Nothing is sent before it; offered only where it will stop the program for as long as allowed.
  void wait_for_freeze() {
    context_.reporter.use(Strategy::stop_copy);
    context_.forecast.expect_downtime(dirty_after_a_step());
    const auto expected = context_.forecast.expected_stand_ms();
    if (options_.spec.max_stall_ms > 0 && expected > options_.spec.max_stall_ms) {
      context_.reporter.report(true);
      throw Error(Code::not_converging,
                  fmt::format("stop-copy would stop the job for {:.0f} ms, {:.0f} ms are allowed",
                              expected, options_.spec.max_stall_ms),
                  "allow more with --max-stall, or let --strategy auto choose");
    }
    context_.forecast.report_converged();
    context_.connection.progress_until([this] { return context_.freeze.is_here(); });
  }

  /// What the frozen state leaves to send may be more than when the freeze was offered: an
  /// optimizer has made its state in the very last step. False: that would take longer than is
  /// allowed, and the program was told to go on.
  bool freeze_holds() {
    auto& forecast = context_.forecast;
    const auto& frozen = context_.freeze.state();
    const auto offered = forecast.offered_bytes();
    const auto left = replay_
                          ? replay_->bytes_left(frozen.state_view)
                          : forecast.expected_bytes() + bytes_made_since(frozen.state_view.layout);
    const auto limit = options_.spec.max_stall_ms;
    if (callbacks_.put_off && limit > 0 && replay_ && replay_->has_waited_in_vain()) {
      put_off_freeze(
          fmt::format("at step {}: its gradients had not gone when it had waited for as "
                      "long as {:.0f} ms allow",
                      frozen.step, limit));
      return false;
    }
    if (callbacks_.put_off && limit > 0 && left > offered) {
      forecast.expect_downtime(left);
      const auto expected =
          forecast.expected_stand_ms() +
          ms_since(Clock::time_point(std::chrono::nanoseconds(frozen.last_step_end_ns)));
      if (expected > limit) {
        put_off_freeze(
            fmt::format("at step {}: it would have taken {:.0f} ms, {:.0f} ms are allowed, "
                        "with {} bytes left to send where {} had been expected",
                        frozen.step, expected, limit, left, offered));
        return false;
      }
    }
    return true;
  }

  void put_off_freeze(const std::string& why) {
    context_.freeze.drop();
    context_.forecast.put_off();
    context_.reporter.note_freeze_put_off(why);
    callbacks_.put_off(why);
  }

  [[nodiscard]] std::uint64_t bytes_made_since(const Layout& layout) const {
    const auto& known = context_.state.view().layout;
    if (layout == known) return 0;
    const auto kept = kept_regions(known, layout);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kept.size(); ++i) sum += kept[i] ? 0 : layout.regions()[i].bytes;
    return sum;
  }

  /// What a freeze would send of a state that was probed, not copied.
  std::uint64_t dirty_after_a_step() {
    auto& program = context_.program;
    auto& state = context_.state;
    const auto probed_at = program.step();
    context_.connection.progress_until(
        [&] { return context_.freeze.is_here() || program.step() > probed_at; });
    state.refresh(program.state_view());
    return state.chunks().bytes_in(state.chunks().differing(state.scan(1)));
  }

  void finish_frozen() {
    auto& reporter = context_.reporter;
    const auto& frozen = context_.freeze.state();
    reporter.enter("frozen");
    reporter.report(true);
    FreezeTimes took;
    took.scan_ms = compare_ms_;
    const auto now = rehearsed_ ? std::move(*rehearsed_) : scan_frozen(took);
    const auto values = digest_of(frozen.values);
    const auto sent = bring_over(now, values, took);
    const auto root = data::root_of(context_.state.view().layout, now, values);
    confirm(root);
    took.verify_ms = ms_since(sent);
    reporter.note_freeze(took);
    reporter.note_all_replayed();
    reporter.report(true);
    if (callbacks_.verified) callbacks_.verified(root, reporter.stats());
  }

  /// The digests of the frozen state, while the target takes its own.
  std::vector<Digest> scan_frozen(FreezeTimes& took) {
    const auto& frozen = context_.freeze.state();
    const auto start = Clock::now();
    if (replay_) replay_->finish_log(frozen.state_view);
    // A target that still replays digests when it is done, and is told so by the round's end.
    if (!is_replaying()) context_.connection.send(data::FreezeBegin{});
    context_.state.refresh(frozen.state_view);
    auto now = context_.state.scan(threads());
    took.scan_ms = ms_since(start);
    context_.reporter.note_freeze(took);
    return now;
  }

  /// Until the target holds the frozen state, of which `now` and `values` are the digests.
  Clock::time_point bring_over(const std::vector<Digest>& now, const Digest& values,
                               FreezeTimes& took) {
    const auto& frozen = context_.freeze.state();
    const auto& clock = context_.connection;
    context_.connection.send(data::Values{frozen.step,
                                          frozen.last_step_end_ns + clock.clock_offset_ns(),
                                          clock.clock_error_ns(), frozen.values});
    context_.reporter.note_values(frozen.values.size());
    return send_rest(now, values, took);
  }

  // ---- the rehearsal

  [[nodiscard]] bool rehearses() {
    const auto asked = options_.spec.rehearse;
    if (asked == Rehearsal::off || !callbacks_.rehearse) return false;
    const auto why = context_.program.cannot_rehearse();
    if (!why) return true;
    if (asked == Rehearsal::only) {
      throw Error(Code::refused, fmt::format("a step of this program is not rehearsed: {}", *why),
                  "nothing was moved, and nothing is known of what it may have forgotten");
    }
    context_.reporter.note_rehearsal("left out", *why);
    return false;
  }

  /// Both sides hold the state of one step, and nobody may commit it: they take the next one, and
  /// what that left is compared. The job's agent has not been told that it is frozen.
  void rehearse() {
    auto& reporter = context_.reporter;
    auto& freeze = context_.freeze;
    reporter.enter("rehearsal");
    reporter.report(true);
    FreezeTimes took;
    const auto held = scan_frozen(took);
    (void)bring_over(held, digest_of(freeze.state().values), took);
    reporter.note_all_replayed();
    replay_.reset();
    reporter.note_rehearsal_pause(
        ms_since(Clock::time_point(std::chrono::nanoseconds(freeze.state().last_step_end_ns))));
    auto& theirs = context_.connection.answers().rehearsed;
    theirs.reset();
    context_.connection.send(data::Rehearse{});
    freeze.drop();
    callbacks_.rehearse();
    context_.connection.progress_until([&] { return freeze.is_here(); });
    await_their_step(theirs);
    const auto start = Clock::now();
    rehearsed_ = context_.state.compare(freeze.state().state_view, threads());
    compare_ms_ = ms_since(start);
    conclude_rehearsal(theirs->values);
  }

  void await_their_step(const std::optional<data::Rehearsed>& theirs) {
    const auto until = Clock::now() + kRehearsalWaitMin +
                       std::chrono::milliseconds(static_cast<std::int64_t>(
                           kRehearsalWaitSteps * context_.program.median_step_ms()));
    context_.connection.progress_until([&] {
      if (theirs || Clock::now() < until) return theirs.has_value();
      throw Error(
          Code::timed_out,
          fmt::format("the standby did not come to the end of step {}, which it took beside "
                      "the job",
                      context_.freeze.state().step),
          "look at its log; --rehearse off moves the job without");
    });
  }

  void conclude_rehearsal(std::span<const std::byte> theirs) {
    const auto& frozen = context_.freeze.state();
    const auto& chunks = context_.state.chunks();
    const auto differing = chunks.differing(*rehearsed_);
    const auto difference = rehearsal_difference(
        frozen.step, chunks, differing, context_.program.differing_values(frozen.values, theirs));
    // What is rounded otherwise is sent as it is here, as what is left of any state.
    const bool rounded =
        !difference.empty() && difference.values.empty() && differ_by_rounding(context_, differing);
    const bool passed = difference.empty() || rounded;
    context_.reporter.note_rehearsal(
        difference.empty() ? "equal"
        : rounded          ? "rounding"
                           : "differs",
        rounded ? "by rounding alone: " + difference.text() : difference.text());
    if (!passed) throw Error(Code::digest_mismatch, difference.text(), difference.hint());
    if (options_.spec.rehearse == Rehearsal::only) {
      throw Error(Code::cancelled, "only a rehearsal was asked for: " + difference.text());
    }
  }

  [[nodiscard]] static unsigned threads() {
    return std::max(1U, std::thread::hardware_concurrency());
  }

  /// Until the target holds `now` and `values`; returns when what was left had gone over once.
  Clock::time_point send_rest(const std::vector<Digest>& now, const Digest& values,
                              FreezeTimes& took) {
    auto& state = context_.state;
    const auto start = Clock::now();
    auto sent = start;
    for (int attempt = 0;; ++attempt) {
      auto dirty = state.chunks().differing(now);
      if (is_replaying() && attempt == 0) {
        std::erase_if(dirty, [this](ChunkId chunk) { return replay_->covers(chunk); });
      }
      state.send_round(dirty, true, is_replaying() ? replay_->updates_sent() : 0);
      if (attempt == 0) {
        took.send_ms = ms_since(start);
        context_.reporter.note_freeze(took);
        sent = Clock::now();
        context_.reporter.enter("verify");
      }
      if (state.target_values() != values) {
        throw Error(Code::digest_mismatch,
                    "the standby does not hold the counters, RNG and options that were sent",
                    "its program restores a tracked value differently than it saves it");
      }
      const auto differing = state.chunks().differing(now).size();
      if (differing == 0) return sent;
      if (attempt == kMaxResends) {
        throw Error(Code::digest_mismatch,
                    fmt::format("{} chunks still differ after they were sent {} times", differing,
                                kMaxResends + 1),
                    "something else writes to the standby's memory, or the link damages bytes");
      }
    }
  }

  void confirm(const Digest& root) {
    const auto& confirmed = context_.connection.answers().confirmed;
    context_.connection.send(data::Equal{root});
    context_.connection.progress_until([&] { return confirmed.has_value(); });
    if (*confirmed != root) {
      throw Error(Code::digest_mismatch, "the target confirmed another state's digest");
    }
  }

  [[nodiscard]] bool is_replaying() const { return replay_ && replay_->updates_sent() > 0; }

  const SourceOptions options_;
  const SourceCallbacks callbacks_;
  std::stop_source stop_;
  SourceContext context_;
  std::optional<Strategy> strategy_;  // in use; none: not chosen yet
  std::optional<ReplaySync> replay_;
  bool rounds_were_looked_at_ = false;
  bool rehearses_ = false;
  std::optional<std::vector<Digest>> rehearsed_;  // of what is held here after that step
  double compare_ms_ = 0;                         // until it was known from there too
  std::jthread thread_;
};

Source::Source(SourceOptions options, SourceProgram& program, SourceCallbacks callbacks)
    : impl_(std::make_unique<Impl>(std::move(options), program, std::move(callbacks))) {}

Source::~Source() = default;

void Source::freeze(FrozenState state) { impl_->freeze(std::move(state)); }
void Source::stepped() { impl_->wake(); }

}  // namespace cardswap
