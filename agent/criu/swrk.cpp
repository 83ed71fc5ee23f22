#include "agent/criu/swrk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"
#include "migrator/base/os_error.h"

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

/// Sends a request and returns CRIU's answer; empty: CRIU has ended.
std::vector<std::byte> ask(const Descriptor& criu, const std::vector<std::byte>& request) {
  std::vector<std::byte> answer(kAnswerBytesMax);
  ssize_t got = -1;
  if (::send(criu.get(), request.data(), request.size(), MSG_NOSIGNAL) == std::ssize(request)) {
    do got = ::recv(criu.get(), answer.data(), answer.size(), 0);
    while (got < 0 && errno == EINTR);
  }
  answer.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return answer;
}

}  // namespace

Response run_swrk(const std::string& program, Call call, const Options& options,
                  std::span<const int> keep_open, const AtStage& at_stage) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    throw os_error("make a socket for CRIU");
  }
  const Descriptor ours(pair[0]);
  Descriptor theirs(pair[1]);
  const auto number = std::to_string(theirs.get());
  const pid_t pid = ::fork();
  if (pid < 0) throw os_error("fork");
  if (pid == 0) {
    survive_exec(theirs.get());
    for (const auto& inherited : options.inherit) survive_exec(inherited.fd);
    for (const int fd : keep_open) survive_exec(fd);
    ::execlp(program.c_str(), "criu", "swrk", number.c_str(), nullptr);
    ::_exit(127);
  }
  theirs.reset();
  auto answer = ask(ours, encode(call, options));
  try {
    while (!answer.empty()) {
      const auto response = decode_response(answer);
      if (response.call != Call::notify) break;
      if (at_stage) at_stage(response.stage, pid);
      answer = ask(ours, encode_go_on());
    }
  } catch (...) {
    ::kill(pid, SIGKILL);
    (void)wait_for(pid);
    throw;
  }
  const int status = wait_for(pid);
  if (answer.empty()) {
    const auto how = WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                                         : fmt::format("status {}", WEXITSTATUS(status));
    throw Error(Code::io, fmt::format("{} swrk ended with {} and gave no answer", program, how));
  }
  return decode_response(answer);
}

}  // namespace cardswap::criu
