#include "agent/cli/follow/told_end.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <iostream>
#include <utility>

#include "agent/base/printable.h"
#include "agent/base/text_parts.h"
#include "agent/base/validate.h"
#include "migrator/base/error.h"

namespace cardswap::cli {
namespace {

using channel::EndState;

sigset_t of_launchers() {
  sigset_t set;
  sigemptyset(&set);
  for (const int one : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM}) sigaddset(&set, one);
  return set;
}

void say(const std::string& line) {
  std::cerr << "cardswap: " << printable_lines(line) << std::endl;  // NOLINT: each line at once
}

/// The agent in "gpu-b:7070/cuda:0"; empty for "gpu-b/cuda:0", which is this agent's own host.
std::string other_agent(const std::string& at) {
  const auto agent = at.substr(0, at.find('/'));
  return agent.find(':') == std::string::npos ? std::string() : agent;
}

}  // namespace

std::string FollowedJob::text() const {
  return rank ? fmt::format("rank {} of job {}", *rank, job) : "job " + job;
}

bool is_own_host(const std::string& at) { return other_agent(at).empty(); }

FollowedJob followed_job(const std::string& text) {
  const auto slash = text.find('/');
  FollowedJob followed{text.substr(0, slash), std::nullopt};
  if (slash != std::string::npos) {
    followed.rank = number_in<std::uint32_t>(std::string_view(text).substr(slash + 1));
  }
  if (!validate::is_job_name(followed.job) || (slash != std::string::npos && !followed.rank)) {
    throw Error(Code::bad_request, fmt::format("'{}' names no job", text),
                "write JOB, or JOB/RANK as in ddp/1");
  }
  return followed;
}

LaunchersSignals::LaunchersSignals() {
  const auto set = of_launchers();
  ::sigprocmask(SIG_BLOCK, &set, &old_);
  signals_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

LaunchersSignals::~LaunchersSignals() { ::sigprocmask(SIG_SETMASK, &old_, nullptr); }

int LaunchersSignals::next() const {
  signalfd_siginfo info{};
  return ::read(signals_.get(), &info, sizeof(info)) == sizeof(info)
             ? static_cast<int>(info.ssi_signo)
             : 0;
}

void OutcomeTeller::tell(const channel::Followed& news) {
  const auto agent = other_agent(news.at);
  if (news.state == EndState::runs) {
    if (news.at != at_ && !agent.empty()) {
      say(fmt::format("{} goes on at {}; `cardswap --agent {} logs {}` has its log", job_.text(),
                      news.at, agent, job_.job));
    }
    if (news.note != note_ && !news.note.empty()) {
      say(fmt::format("{}: {}; asking on", job_.text(), news.note));
    } else if (!note_.empty() && news.note.empty()) {
      say(fmt::format("{}: {} answers again", job_.text(), agent.empty() ? "the agent" : agent));
    }
  } else if (news.state == EndState::exited) {
    say(fmt::format("{} ended at {} with exit code {}", job_.text(), news.at, news.number));
  } else if (news.state == EndState::signalled) {
    say(fmt::format("{} ended at {} by signal {}", job_.text(), news.at, news.number));
  } else if (news.state == EndState::unknown) {
    say(fmt::format("{} is over at {}, and how it ended is not known: {}", job_.text(), news.at,
                    news.note));
  }
  at_ = news.at;
  note_ = news.note;
}

void OutcomeTeller::tell_away(const std::string& why) {
  if (!std::exchange(note_, why).empty()) return;
  say(fmt::format("{}: {}; asking on", job_.text(), why));
}

Exit end_like(const channel::Followed& end) {
  if (end.state == EndState::unneeded) return Exit::done;
  if (end.state == EndState::exited) return static_cast<Exit>(static_cast<int>(end.number));
  if (end.state != EndState::signalled) return Exit::failed;
  const auto signal = static_cast<int>(end.number);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);  // whose core it would be is gone
  ::signal(signal, SIG_DFL);
  sigset_t it;
  sigemptyset(&it);
  sigaddset(&it, signal);
  ::kill(::getpid(), signal);
  ::sigprocmask(SIG_UNBLOCK, &it, nullptr);
  return static_cast<Exit>(128 + signal);  // one that ends nothing
}

}  // namespace cardswap::cli
