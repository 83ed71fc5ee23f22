#pragma once

#include <unistd.h>

#include <atomic>
#include <string>

/// Keeps a job in one process: one session in a process, and an end for a process that is not the
/// job.
namespace cardswap {

/// The exit status of a process that may not step, because it is not the job.
inline constexpr int kNotTheJob = 75;

/// Ends this process, whose job has moved and which did not leave its loop. Writes a line to
/// stderr.
[[noreturn]] void end_moved_process();
/// Ends this process, a fork of `trainer` that is about to step. Writes a line to stderr.
[[noreturn]] void end_forked_process(pid_t trainer, const std::string& job);

/// The claim to the only session of this process. A forked process may open a session of its own.
class OneSession {
 public:
  /// Throws Error{conflict} while this process has a session.
  OneSession();
  ~OneSession() { holder_ = 0; }
  OneSession(const OneSession&) = delete;
  OneSession& operator=(const OneSession&) = delete;

 private:
  static inline std::atomic<pid_t> holder_{0};  // the process that has a session; 0: none
};

}  // namespace cardswap
