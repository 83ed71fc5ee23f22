#include "agent/criu/swrk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "migrator/core/descriptor.h"
#include "migrator/core/error.h"

namespace cardswap::criu {
namespace {

constexpr std::size_t kAnswerBytesMax = 64U << 10;

void survive_exec(int fd) { ::fcntl(fd, F_SETFD, 0); }

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

Response run_swrk(const std::string& program, Call call, const Options& options,
                  std::span<const int> keep_open) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    throw Error(Code::io, fmt::format("make a socket for CRIU: {}", std::strerror(errno)));
  }
  const Descriptor ours(pair[0]);
  Descriptor theirs(pair[1]);
  const auto number = std::to_string(theirs.get());
  const pid_t pid = ::fork();
  if (pid < 0) throw Error(Code::io, fmt::format("fork: {}", std::strerror(errno)));
  if (pid == 0) {
    survive_exec(theirs.get());
    for (const auto& inherited : options.inherit) survive_exec(inherited.fd);
    for (const int fd : keep_open) survive_exec(fd);
    ::execlp(program.c_str(), "criu", "swrk", number.c_str(), nullptr);
    ::_exit(127);
  }
  theirs.reset();
  const auto request = encode(call, options);
  std::array<std::byte, kAnswerBytesMax> answer{};
  const bool sent = ::send(ours.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
                    static_cast<ssize_t>(request.size());
  ssize_t got = sent ? 0 : -1;
  if (sent) {
    do got = ::recv(ours.get(), answer.data(), answer.size(), 0);
    while (got < 0 && errno == EINTR);
  }
  const int status = wait_for(pid);
  if (got <= 0) {
    const auto how = WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                                         : fmt::format("status {}", WEXITSTATUS(status));
    throw Error(Code::io, fmt::format("{} swrk ended with {} and gave no answer", program, how));
  }
  return decode_response(std::span(answer).first(static_cast<std::size_t>(got)));
}

}  // namespace cardswap::criu
