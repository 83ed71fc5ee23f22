// What the two sides tell of the steps that a move made late.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/handover/answers.h"
#include "agent/handover/migrations.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kFirstStepsWait{2000};  // at the target
constexpr milliseconds kFirstStepsAnswerMax{5000};
constexpr seconds kAskAgain{2};
constexpr seconds kHearLeast{60};
constexpr seconds kHearMost{3600};
constexpr double kPatienceSteps = 50;

/// For how long a target is asked for its first steps.
Clock::duration patience(const Transfer& transfer) {
  const auto step_ms = std::clamp(transfer.lost_time.lateness.pace().step_ms, 0.0, 1e6);
  return std::clamp<Clock::duration>(
      milliseconds(static_cast<std::int64_t>(kPatienceSteps * step_ms)), kHearLeast, kHearMost);
}

}  // namespace

/// Also of a migration that is over: the steps after it are its own too.
void Migrations::note_late(const Instance& source, const channel::LateSteps& word) {
  const auto found = std::find_if(migrations_.rbegin(), migrations_.rend(),
                                  [&](const Migration& m) { return m.id == word.migration; });
  auto* transfer = found == migrations_.rend() ? nullptr : found->of(source.id);
  if (transfer == nullptr || !transfer->lost_time.hear(word)) return;
  auto& m = *found;
  // What is not over yet has its next record.
  if (word.over && !m.result.empty()) {
    tasks_.spawn("record the end of " + m.id, record_end(m, m.in_use));
  }
  bump(m);
}

/// Its process is gone: where the job goes on there, it takes none of them any more.
void Migrations::note_no_more_steps(const Instance& source) {
  for (auto& m : migrations_) {
    auto* transfer = m.of(source.id);
    if (transfer == nullptr || transfer->lost_time.over || handover::is_committed(m.state())) {
      continue;
    }
    transfer->lost_time.end("the job ended first");
    if (!m.result.empty()) tasks_.spawn("record the end of " + m.id, record_end(m, m.in_use));
    bump(m);
  }
}

bool Migrations::awaits_first_steps(const Migration& m) {
  return std::ranges::any_of(m.transfers, [](const Transfer& transfer) {
    return transfer.lost_time.told && !transfer.lost_time.over;
  });
}

/// The job is at the target for good: its first steps there are waited for.
asio::awaitable<void> Migrations::hear_first_steps(Migration& m, std::shared_ptr<void>) {
  for (auto& transfer : m.transfers) {
    auto& lost = transfer.lost_time;
    if (!lost.told && !lost.over) lost.end("the job's runtime told nothing of its steps");
    co_await hear_first_steps(m, transfer);
  }
  bump(m);
  co_await record_end(m, m.in_use);
}

asio::awaitable<void> Migrations::hear_first_steps(Migration& m, Transfer& transfer) {
  auto& lost = transfer.lost_time;
  const auto until = Clock::now() + patience(transfer);
  for (std::uint64_t version = 0; !lost.over;) {
    std::string failure;
    try {
      const auto path = fmt::format("{}?after={}&wait_ms={}", reservation_path(m.id), version,
                                    kFirstStepsWait.count());
      const auto answer = co_await ask(peer(transfer), "GET", path, nullptr, kFirstStepsAnswerMax);
      const auto status = target_status_from(peer(transfer).text(), m.epoch(), answer);
      version = status.version;
      if (!status.first_steps.known) {
        lost.end(fmt::format("the agent of {} does not tell of the steps there", transfer.to));
      } else if (lost.hear(status.first_steps)) {
        bump(m);
      }
    } catch (...) {
      if (tasks_.stopping()) throw;
      const auto error = error_of(std::current_exception());
      failure = error.failure();
      if (error.code() == Code::not_found) lost.end("the target's agent has forgotten the move");
    }
    if (!lost.over && Clock::now() >= until) {
      lost.end(fmt::format("no more was heard of the steps at {}", transfer.to));
    }
    if (!failure.empty() && !lost.over) co_await pause_for(kAskAgain);
  }
}

}  // namespace cardswap
