#include "agent/snapshots/copy_end.h"

#include <chrono>

#include "agent/base/backoff.h"
#include "agent/snapshots/recovery_events.h"

namespace cardswap::snapshots {
namespace {

constexpr std::chrono::milliseconds kKillAgain{500};
constexpr std::chrono::seconds kKillAgainMax{10};
constexpr std::chrono::seconds kEndsBy{10};  // a process that does not die is told of after that

}  // namespace

asio::awaitable<void> end_copy(RecoveryContext context, std::string job_id) {
  using Clock = std::chrono::steady_clock;
  auto& jobs = context.jobs.table();
  const auto tell_at = Clock::now() + kEndsBy;
  bool is_told = false;
  Backoff apart(kKillAgain, kKillAgainMax);  // each kill looks through all processes
  auto kill_at = Clock::now();
  while (true) {
    const auto& job = pending_job(jobs, job_id);
    const auto& first = job.first();
    const auto left = still_alive(first);
    const bool is_gone = !first.is_live() && first.record().ended_at_ms != 0 && left.empty();
    if (is_gone && context.migrations.find_running(first) == nullptr) co_return;
    if (!is_gone && Clock::now() >= kill_at) {
      context.jobs.processes().kill(first.id());
      kill_at = Clock::now() + apart.next();
    }
    if (!is_gone && !is_told && Clock::now() >= tell_at) {
      is_told = true;
      tell_waits(context, job, left.empty() ? first.program().pid : left.front());
    }
    co_await jobs.changed().wait_until(Clock::now() + kKillAgain);
  }
}

}  // namespace cardswap::snapshots
