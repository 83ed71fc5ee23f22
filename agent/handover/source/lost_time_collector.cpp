#include "agent/handover/source/lost_time_collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/handover/source/target_courier.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kFirstStepsWait{2000};  // at the target
constexpr milliseconds kFirstStepsAnswerMax{5000};
constexpr milliseconds kAskPace{100};  // ours, whatever the other agent answers
constexpr seconds kAskAgain{2};
constexpr seconds kAskUngranted{15};  // more than the silence after which a target asks
constexpr seconds kHearMin{60};
constexpr seconds kHearMax{3600};
constexpr double kPatienceSteps = 50;

/// For how long a target is asked for its first steps.
Clock::duration patience(const Transfer& transfer) {
  const auto step_ms = std::clamp(transfer.record().lost_time.lateness.pace().step_ms, 0.0, 1e6);
  return std::clamp<Clock::duration>(
      milliseconds(static_cast<std::int64_t>(kPatienceSteps * step_ms)), kHearMin, kHearMax);
}

}  // namespace

void LostTimeCollector::on_late_steps(const Instance& source, const channel::LateSteps& report) {
  auto* transfer = migration_.find(source.id());
  if (transfer == nullptr || !merge(*transfer, report)) return;
  // What is not over yet has its next record.
  if (report.over && migration_.record().result) {
    run_.spawn("record the end of " + migration_.id(), list_.save_end(migration_.id()));
  }
  list_.touch(migration_);
}

void LostTimeCollector::on_exit(const Instance& source) {
  auto* transfer = migration_.find(source.id());
  if (transfer == nullptr || transfer->record().lost_time.over ||
      handover::is_committed(migration_.state()))
    return;
  end(*transfer, "the job ended first");
  if (migration_.record().result)
    run_.spawn("record the end of " + migration_.id(), list_.save_end(migration_.id()));
  list_.touch(migration_);
}

bool LostTimeCollector::awaits_first_steps() const {
  return std::ranges::any_of(migration_.transfers, [](const Transfer& transfer) {
    return transfer.record().lost_time.has_report && !transfer.record().lost_time.over;
  });
}

asio::awaitable<void> LostTimeCollector::collect_first_steps() {
  for (auto& transfer : migration_.transfers) {
    const auto& lost = transfer.record().lost_time;
    if (!lost.has_report && !lost.over) {
      end(transfer, "the job's runtime told nothing of its steps");
    }
    co_await collect_first_steps_of(transfer.instance());
    book_.learn(migration_.record(), transfer.record());
  }
  list_.touch(migration_);
  co_await list_.save_end(migration_.id());
}

asio::awaitable<void> LostTimeCollector::collect_first_steps_of(std::string instance) {
  auto& transfer =
      *migration_.find(instance);  // none is ever replaced, and this task keeps the migration
  const auto& lost = transfer.record().lost_time;
  const auto until = Clock::now() + patience(transfer);
  for (std::uint64_t version = 0; !lost.over;) {
    std::string failure;
    bool waits = false;
    const auto next = Clock::now() + kAskPace;
    try {
      auto reservation = reservation_ref(migration_, transfer);
      const auto answer = co_await targets_.wait_for_change(std::move(reservation), version,
                                                            kFirstStepsWait, kFirstStepsAnswerMax);
      version = answer.status->version;
      if (!answer.status->first_steps.known) {
        end(transfer,
            fmt::format("the agent of {} does not tell of the steps there", transfer.record().to));
      } else if (merge(transfer, answer.status->first_steps)) {
        list_.touch(migration_);
      }
      // Taken by force, before the grant got there: to be asked is to hear that this agent lives,
      // and only once it does not the target asks what was decided.
      waits = answer.status->message.state == handover::TargetState::verified;
    } catch (...) {
      if (tasks_.is_stopping()) throw;
      const auto error = error_of(std::current_exception());
      failure = error.failure();
      if (error.code() == Code::not_found)
        end(transfer, "the target's agent has forgotten the move");
    }
    if (!lost.over && Clock::now() >= until) {
      end(transfer, fmt::format("no more was heard of the steps at {}", transfer.record().to));
    }
    if (waits && !lost.over) co_await pause_for(kAskUngranted);
    if (!failure.empty() && !lost.over) co_await pause_for(kAskAgain);
    // An agent answers when it has news; one that always has some sets no pace here.
    if (!lost.over && Clock::now() < next) co_await pause_for(next - Clock::now());
  }
}

}  // namespace cardswap
