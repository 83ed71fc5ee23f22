#include "agent/attach/peer_check.h"

#include <fmt/format.h>
#include <unistd.h>

#include "migrator/base/error.h"

namespace cardswap {

ucred peer_of(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return {};
  return peer;
}

pid_t session_of(const ucred& peer) { return peer.pid > 0 ? ::getsid(peer.pid) : -1; }

void check_rank(const Instance& instance, const channel::Hello& hello) {
  if (hello.ranks > channel::kRanksMax || hello.rank >= hello.ranks) {
    throw Error(Code::bad_request, fmt::format("job {} says that rank {} is one of {}", hello.job,
                                               hello.rank, hello.ranks));
  }
  const auto& job = instance.job();
  const bool differs = job.world_size != hello.ranks && (job.standby || !instance.ranks.empty());
  if (differs || (job.standby && instance.record().rank != hello.rank)) {
    throw Error(Code::refused,
                fmt::format("rank {} of {} attaches to job {}, which has {} ranks{}", hello.rank,
                            hello.ranks, hello.job, job.world_size,
                            job.standby ? fmt::format(", as its rank {}", instance.record().rank)
                                        : std::string()),
                "RANK and WORLD_SIZE must be the same for all processes of a job");
  }
}

ProcessId process_of(pid_t pid) {
  try {
    return {pid, start_time_of(pid).value_or(0)};
  } catch (const Error&) {
    return {pid, 0};
  }
}

}  // namespace cardswap
