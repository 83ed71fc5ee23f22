#include "agent/attach/peer_check.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/printable.h"
#include "agent/process/process_tree.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

constexpr std::size_t kNameBytesMax = 63;  // of names that an unknown process sent

}  // namespace

ucred peer_of(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return {};
  return peer;
}

pid_t session_of(const ucred& peer) { return peer.pid > 0 ? ::getsid(peer.pid) : -1; }

bool is_run_by(const Instance& instance, uid_t user) {
  struct stat process {};
  const auto path = fmt::format("/proc/{}", instance.program().pid);
  const bool may_live = instance.is_live() || instance.record().keeps_places;
  return may_live && ::stat(path.c_str(), &process) == 0 && process.st_uid == user;
}

void check_protocol(std::string_view program, std::uint32_t version) {
  if (version == channel::kProtocolVersion) return;
  throw Error(Code::protocol_mismatch,
              fmt::format("the program's runtime {} speaks protocol {}, this agent {}",
                          excerpt(program, kNameBytesMax), version, channel::kProtocolVersion),
              "build the program with the Cardswap release that the agent runs");
}

Error no_such_job(std::string_view job) {
  return {Code::unauthorized,
          fmt::format("no job '{}' of this agent has that token", excerpt(job, kNameBytesMax)),
          "start the program with `cardswap run`"};
}

void check_belongs(const ucred& peer, const Instance& instance, bool is_of_many) {
  // A launcher may give each rank a session of its own.
  const bool belongs = session_of(peer) == instance.program().pid ||
                       (is_of_many && is_descendant_of(peer.pid, instance.program()));
  if (belongs) return;
  throw Error(Code::unauthorized,
              fmt::format("process {} does not belong to job {}", peer.pid, instance.name()));
}

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
