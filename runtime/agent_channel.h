#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "migrator/base/event_fd.h"
#include "migrator/base/guest_thread.h"
#include "migrator/base/mutex.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// The trainer's connection to its agent: a unix socket and one thread.
///
/// The constructor sends Hello and waits for the answer. After start() the thread delivers the
/// agent's messages and sends queued ones. If the agent goes away, the channel tries to connect
/// again, with a new Hello from `hello`, as long as this object lives: after pauses of 0.1 s to 1
/// s, or of 10 s if the agent refused it with unauthorized or protocol_mismatch. The reason of a
/// refusal is written to standard error, once. An exception of a callback is written there too, and
/// ends the connection: the agent's message may have been carried out in part, and the next Hello
/// tells the agent the state.
class AgentChannel {
 public:
  /// What the channel calls. Only `tick` may be empty, and `message` if no message is expected.
  struct Callbacks {
    /// Makes a Hello without `network`, which the channel adds: on the constructing thread, then on
    /// the channel's thread.
    std::function<channel::Hello()> hello;
    std::function<void(const channel::Message&)> message;  ///< on the channel's thread
    std::function<void()> tick;  ///< ten times a second while connected, on the channel's thread
  };

  /// Connects (5 s at most), sends Hello (1 s) and waits for the answer (10 s): 16 s in all,
  /// however often a signal interrupts the waits. Throws Error{bad_request} for a path that is too
  /// long or an answer that is no message, {unreachable} if no agent answers, {protocol_mismatch}
  /// for another answer, {io} if no socket can be made, and the agent's own code if it refuses.
  AgentChannel(std::string path, Callbacks callbacks);
  ~AgentChannel();  ///< calls close()
  AgentChannel(const AgentChannel&) = delete;
  AgentChannel& operator=(const AgentChannel&) = delete;

  /// The agent's answer to the first Hello. Valid as long as this object.
  [[nodiscard]] const channel::Welcome& welcome() const { return welcome_; }
  /// Starts the thread. Call it once. Messages that are sent before are dropped.
  void start();
  /// Sends the queued messages and ends the thread. Takes 2 s at most, plus the time of a callback
  /// that is running. Afterwards no callback is called. Not on the channel's thread.
  void close();
  /// Queues a message. Any thread; never blocks. Without a connection the message is dropped: the
  /// next Hello tells the agent the state. If the queue of 4 MiB has no room, the connection ends
  /// and the whole queue is dropped, so that an agent never receives a message without the earlier
  /// ones.
  void send(const channel::Message& message);

  /// The inode of the connection's socket, which differs in a process that was restored elsewhere;
  /// 0: not known. This and redirect(): on the channel's thread, in a callback.
  [[nodiscard]] std::uint64_t inode() const;
  /// This connection now leads to the agent at `path`; later connections are made there.
  void redirect(std::string path);

 private:
  class Socket;

  void run(const std::stop_token& stop);
  /// Connects, sends Hello and waits for the answer. Throws Error; writes a refusal to standard
  /// error.
  void come_back(const std::stop_token& stop);
  /// Calls a callback. Writes its exception to standard error and throws it on.
  void call(const std::function<void()>& handler);
  static void log_line(const std::string& text);
  void log_refusal(const channel::Refused& refused);
  /// Serves one connection after Hello was answered, until it ends or `stop` is requested.
  void serve(Socket& socket, const std::stop_token& stop);
  /// Sends what is queued. False: the connection is over.
  bool flush(Socket& socket, const std::stop_token& stop);
  void wait(const std::stop_token& stop, std::chrono::milliseconds length);
  /// Closes the connection. A process that CRIU has restored and that was not redirected is a copy
  /// of a job that runs elsewhere: it must not connect again, and waits here for `stop`.
  void leave(const std::stop_token& stop);

  std::string path_;         // changed on the thread only
  std::uint64_t inode_ = 0;  // of the socket when it was connected, or redirected
  const Callbacks callbacks_;
  channel::Welcome welcome_;
  std::unique_ptr<Socket> socket_;
  const EventFd wake_;
  bool refused_ = false;        // the last time, for a reason that will hardly change
  std::string logged_refusal_;  // the latest one on standard error
  std::string logged_failure_;  // of a callback: the latest one on standard error
  /// When close() gives up sending; set when the end is requested.
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::time_point::max();

  Mutex mutex_;
  std::deque<std::vector<std::byte>> queue_ CARDSWAP_GUARDED_BY(mutex_);
  std::size_t queued_bytes_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  bool connected_ CARDSWAP_GUARDED_BY(mutex_) = false;

  GuestThread thread_;
};

}  // namespace cardswap
