#pragma once

#include <csignal>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/cli/exit_codes.h"
#include "migrator/base/descriptor.h"
#include "migrator/wire/follow_messages.h"

namespace cardswap::cli {

/// A job, or a rank of it, that is followed: "ddp" or "ddp/1".
struct FollowedJob {
  std::string job;
  std::optional<std::uint32_t> rank;
  [[nodiscard]] std::string text() const;  ///< "rank 1 of job ddp"
};
/// Throws Error{bad_request} for a text that names no job.
[[nodiscard]] FollowedJob followed_job(const std::string& text);

/// Whether an outcome's place is on the host of the agent that was asked, and not elsewhere.
[[nodiscard]] bool is_own_host(const std::string& at);

/// The signals that a launcher sends to the processes that it has started, held back from this
/// process as long as it lives: they are for the job. One at a time, before any other thread.
class LaunchersSignals {
 public:
  LaunchersSignals();
  ~LaunchersSignals();
  LaunchersSignals(const LaunchersSignals&) = delete;
  LaunchersSignals& operator=(const LaunchersSignals&) = delete;

  /// Becomes readable when one has come.
  [[nodiscard]] int fd() const { return signals_.get(); }
  /// Takes the oldest one that has come; 0: there is none.
  [[nodiscard]] int next() const;

 private:
  Descriptor signals_;
  sigset_t old_{};
};

/// Tells on stderr, a line each, where a job goes on, what keeps this process from knowing, and how
/// it ended. Says nothing twice.
class OutcomeTeller {
 public:
  explicit OutcomeTeller(FollowedJob job) : job_(std::move(job)) {}

  void tell(const channel::Followed& news);
  /// The agent of this host cannot be asked: `why`. Told once, until it can be again.
  void tell_away(const std::string& why);

 private:
  const FollowedJob job_;
  std::string at_;
  std::string note_;
};

/// Ends this process as the job ended, if that was by a signal; else returns its exit code, or
/// Exit::failed where nobody knows.
[[nodiscard]] Exit end_like(const channel::Followed& end);

}  // namespace cardswap::cli
