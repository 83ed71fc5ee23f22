#include "migrator/engine/source/source.h"

#include <fmt/format.h>

#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "migrator/base/guest_thread.h"
#include "migrator/base/ms_since.h"
#include "migrator/engine/source/context/source_context.h"
#include "migrator/engine/source/copied_freeze.h"
#include "migrator/engine/source/frozen_send.h"
#include "migrator/engine/source/logged_send.h"
#include "migrator/engine/source/rehearsal_run.h"
#include "migrator/engine/source/replay/replay_sync.h"
#include "migrator/engine/source/rounds.h"
#include "migrator/engine/source/strategy_choice.h"
#include "migrator/link/open_link.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

/// The sending end of one migration, as one sequence: connect, sync by one of the strategies while
/// the program trains, then send the rest of the frozen state.
class Source::Impl {
 public:
  Impl(SourceOptions options, SourceProgram& program, SourceCallbacks callbacks)
      : options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        context_(
            options_, program, callbacks_, [this](LinkListener& target) { return reach(target); },
            stop_.get_token()),
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
  /// The digests from a rehearsal, which replace the scan of the freeze.
  struct Rehearsed {
    std::vector<Digest> digests;
    double scan_ms = 0;
  };

  [[nodiscard]] std::unique_ptr<Link> reach(LinkListener& target) const {
    return connect_link(options_.host, options_.port,
                        {options_.transports, options_.allowed_addresses}, options_.data_key,
                        target);
  }

  void run() {
    const auto stopped = [this] { return stop_.stop_requested(); };
    try {
      const bool rehearsed = decide_on_rehearsal(context_);
      if (rehearsed) context_.forecast.expect_rehearsal();
      context_.connect();
      if (auto* updates = context_.program.logged_updates()) {
        send_logged(*updates);
      } else {
        send_live(rehearsed);
      }
      context_.connection.progress_until(stopped);
    } catch (...) {
      replay_.reset();  // a trainer that waits for the log goes on before anything else
      if (!stopped() && callbacks_.failed)
        callbacks_.failed(named(error_of(std::current_exception())));
    }
    replay_.reset();
    context_.connection.close();
    copied_.reset();  // the link has read from its memory until now
  }

  void send_live(bool rehearsed) {
    do {
      sync();
    } while (context_.freeze.has_arrived() && !freeze_holds());
    if (!context_.freeze.has_arrived()) return;
    if (copies()) return finish_copied();
    if (rehearsed) rehearse();
    if (callbacks_.frozen) callbacks_.frozen(context_.freeze.state().step);
    finish_frozen();
  }

  [[nodiscard]] Error named(const Error& error) const {
    return error.within(
        fmt::format("migration {} to {}:{}", options_.migration, options_.host, options_.port));
  }

  /// Syncs until the program is frozen. Called again after a freeze that was put off.
  void sync() {
    if (copies()) return sync_for_a_copy();
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

  /// Whether the program goes on in its freeze once its state is copied.
  [[nodiscard]] bool copies() const {
    return options_.copy_bytes_max != 0 && static_cast<bool>(callbacks_.copied);
  }

  /// Sends ahead what no step changes, and offers a freeze that lasts as long as a copy of the
  /// rest.
  void sync_for_a_copy() {
    copied_.emplace(context_);
    const bool ahead = options_.spec.strategy != Strategy::stop_copy;
    context_.reporter.use(ahead ? Strategy::rounds : Strategy::stop_copy);
    context_.forecast.predict_downtime(copied_->prepare(ahead));
    context_.forecast.report_converged();
    context_.connection.progress_until([this] { return context_.freeze.has_arrived(); });
  }

  void finish_copied() {
    auto& reporter = context_.reporter;
    reporter.enter(MigrationPhase::frozen);
    reporter.report(true);
    const auto now = copied_->let_go();
    FrozenSend send(context_);
    send.bring_over(now);
    const auto state_digest = send.confirm(now);
    copied_.reset();  // its memory is given back
    reporter.report(true);
    if (callbacks_.verified) callbacks_.verified(state_digest, reporter.stats());
  }

  /// In place of a sync: the program holds a state of before, and knows what led on from there.
  void send_logged(LoggedUpdates& updates) {
    context_.reporter.use(Strategy::replay);
    LoggedSend send(context_, updates);
    send.bring_over();
    context_.forecast.predict_downtime(0);
    context_.forecast.report_converged();
    context_.connection.progress_until([this] { return context_.freeze.has_arrived(); });
    if (callbacks_.frozen) callbacks_.frozen(context_.freeze.state().step);
    const auto state_digest = send.confirm();
    context_.reporter.report(true);
    if (callbacks_.verified) callbacks_.verified(state_digest, context_.reporter.stats());
  }

  /// Stop-copy: sends nothing before the freeze, and offers it only if the time parked is
  /// within the limit.
  void wait_for_freeze() {
    context_.reporter.use(Strategy::stop_copy);
    context_.forecast.predict_downtime(dirty_after_a_step());
    const auto expected = context_.forecast.expected_parked_ms();
    if (options_.spec.max_stall_ms > 0 && expected > options_.spec.max_stall_ms) {
      context_.reporter.report(true);
      throw Error(Code::not_converging,
                  fmt::format("stop-copy would stop the job for {:.0f} ms, {:.0f} ms are allowed",
                              expected, options_.spec.max_stall_ms),
                  "allow more with --max-stall, or let --strategy auto choose");
    }
    context_.forecast.report_converged();
    context_.connection.progress_until([this] { return context_.freeze.has_arrived(); });
  }

  /// Checks whether the freeze is still within the limit: more may be left to send than when it was
  /// offered, for example because an optimizer has created its state in the last step. False: it is
  /// not, and the freeze was put off.
  bool freeze_holds() {
    if (copies()) return true;  // what is left to send does not hold the program
    auto& forecast = context_.forecast;
    const auto& frozen = context_.freeze.state();
    const auto offered = forecast.offered_bytes();
    const auto left = replay_
                          ? replay_->bytes_left(frozen.state_view)
                          : forecast.expected_bytes() + bytes_made_since(frozen.state_view.layout);
    const auto limit = options_.spec.max_stall_ms;
    if (callbacks_.put_off && limit > 0 && replay_ &&
        replay_->has_stepped_before_its_entry_was_sent()) {
      put_off_freeze(
          fmt::format("at step {}: its gradients had not gone when it had waited for as "
                      "long as {:.0f} ms allow",
                      frozen.step, limit));
      return false;
    }
    if (callbacks_.put_off && limit > 0 && left > offered) {
      forecast.predict_downtime(left);
      const auto expected =
          forecast.expected_parked_ms() +
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
    context_.connection.progress_until([&] {
      return context_.freeze.has_arrived() || program.step() > probed_at ||
             program.takes_no_steps();
    });
    state.refresh(program.state_view());
    return state.chunks().bytes_in(state.chunks().differing(state.scan(1)));
  }

  /// Has both sides take one more step from the same state before anything may be committed.
  void rehearse() {
    auto& reporter = context_.reporter;
    reporter.enter(MigrationPhase::rehearsal);
    reporter.report(true);
    {
      FrozenSend before(context_, replay());
      before.bring_over(before.scan());
    }
    reporter.note_all_replayed();
    replay_.reset();
    RehearsalRun run(context_);
    run.begin();
    run.await_their_step();
    rehearsed_ = Rehearsed{run.conclude(), run.compare_ms()};
  }

  void finish_frozen() {
    auto& reporter = context_.reporter;
    reporter.enter(MigrationPhase::frozen);
    reporter.report(true);
    FrozenSend send(context_, replay());
    if (rehearsed_) send.note_scan(rehearsed_->scan_ms);
    const auto now = rehearsed_ ? std::move(rehearsed_->digests) : send.scan();
    send.bring_over(now);
    const auto state_digest = send.confirm(now);
    reporter.note_all_replayed();
    reporter.report(true);
    if (callbacks_.verified) callbacks_.verified(state_digest, reporter.stats());
  }

  [[nodiscard]] ReplaySync* replay() { return replay_ ? &*replay_ : nullptr; }

  const SourceOptions options_;
  const SourceCallbacks callbacks_;
  std::stop_source stop_;
  SourceContext context_;
  std::optional<Strategy> strategy_;  // in use; none: not chosen yet
  std::optional<ReplaySync> replay_;
  std::optional<CopiedFreeze> copied_;
  bool rounds_were_looked_at_ = false;
  std::optional<Rehearsed> rehearsed_;
  GuestThread thread_;
};

Source::Source(SourceOptions options, SourceProgram& program, SourceCallbacks callbacks)
    : impl_(std::make_unique<Impl>(std::move(options), program, std::move(callbacks))) {}

Source::~Source() = default;

void Source::freeze(FrozenState state) { impl_->freeze(std::move(state)); }
void Source::stepped() { impl_->wake(); }

}  // namespace cardswap
