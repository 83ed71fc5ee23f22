#pragma once

#include <unistd.h>

#include <atomic>
#include <string>

/// What keeps a job in one process: one session, and an end for who is not the job any more.
namespace cardswap {

/// The exit status of a process that may not step.
inline constexpr int kNotTheJob = 75;

/// Ends a process whose job moved and that did not leave its loop. Says so on stderr.
[[noreturn]] void end_moved_process();
/// Ends a fork of `trainer` that wants to step. Says so on stderr.
[[noreturn]] void end_forked_process(pid_t trainer, const std::string& job);

/// The session of this process. A fork has a copy of its parent's, and may open its own.
class OneSession {
 public:
  /// Throws Error{conflict} while this process has one.
  OneSession();
  ~OneSession() { holder_ = 0; }
  OneSession(const OneSession&) = delete;
  OneSession& operator=(const OneSession&) = delete;

 private:
  static inline std::atomic<pid_t> holder_{0};  // the one thing that a process has once
};

}  // namespace cardswap
