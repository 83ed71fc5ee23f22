#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstdint>
#include <list>
#include <memory>

#include "agent/attach/runtime_connection.h"
#include "agent/base/task_group.h"
#include "agent/jobs/job_list.h"
#include "migrator/base/error.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// Decides which processes may attach to the agent as runtimes of its jobs. The agent's thread.
///
/// Every user of the host can reach the socket, so a connection that has not sent its Hello yet is
/// bounded: within 2 s, 8 connections from a job's session and 64 from elsewhere; above that the
/// oldest such connection is closed. A connection of a user who owns neither the agent nor a live
/// job is closed at once. The log has at most 16 lines about refusals in 10 s, and counts the
/// others.
class Doorkeeper {
 public:
  static constexpr std::size_t kOfAJobMax = 8;      ///< connections without a Hello of one session
  static constexpr std::size_t kStrangersMax = 64;  ///< connections without a Hello of no job

  /// All references must outlive it.
  Doorkeeper(TaskGroup& tasks, JobList& jobs) : tasks_(tasks), jobs_(jobs) {}
  Doorkeeper(const Doorkeeper&) = delete;
  Doorkeeper& operator=(const Doorkeeper&) = delete;

  /// Takes or drops a connection by what the kernel says of the peer, before anything is read.
  /// Null: it was dropped, because the peer's user has no job here.
  [[nodiscard]] std::shared_ptr<RuntimeConnection> let_in(
      asio::local::stream_protocol::socket socket);
  /// Returns once the program that the Hello is of is known to run: it may say Hello before its
  /// parent has told the agent of it. The patience for the Hello limits the wait.
  asio::awaitable<void> await_start(channel::Hello hello) const;
  /// The instance that the Hello is of; notes in the connection which process and which rank it is.
  /// Throws Error{protocol_mismatch} for another protocol, Error{unauthorized} for a token that is
  /// no job's and for a process that is not of the job, and as check_rank().
  Instance& identify(const channel::Hello& hello, RuntimeConnection& connection) const;
  /// The instance of which a process keeps the place of a rank: also one whose job has moved away.
  /// Notes in the connection what it follows. Throws as the other one.
  Instance& identify(const channel::Follow& follow, RuntimeConnection& connection) const;
  /// The connection waits no longer: it is attached, or has ended.
  void forget(const std::shared_ptr<RuntimeConnection>& connection);
  /// Logs a refusal, or counts it where too many were logged of late.
  void log_refusal(const Error& refused);
  /// Closes all connections that wait.
  void close();

 private:
  /// Whether a live job of that user is here.
  [[nodiscard]] bool has_job_of(uid_t user) const;
  /// Makes room for one more connection of that job, or of a stranger.
  void make_room(const std::string& of);
  asio::awaitable<void> log_suppressed();

  TaskGroup& tasks_;
  JobList& jobs_;
  std::list<std::shared_ptr<RuntimeConnection>> newcomers_;  // without a Hello; oldest first
  int logged_refusals_ = 0;                                  // refusals logged in the present 10 s
  std::uint64_t suppressed_refusals_ = 0;  // refusals of these 10 s that were only counted
};

}  // namespace cardswap
