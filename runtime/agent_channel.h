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

/// The trainer's line to its agent: a unix socket and one thread.
///
/// The constructor says Hello and waits for the answer. Then the thread delivers the agent's
/// messages and sends queued ones. If the agent goes away, the channel keeps trying to come back,
/// with a new Hello from `hello`, for as long as this object lives. If an agent refuses it, it
/// writes the reason to standard error, once; it asks an agent that does not know it every 10 s. An
/// exception of a handler is written there too, and ends the connection: half of the agent's
/// message may have been carried out, and the next Hello says what holds.
class AgentChannel {
 public:
  /// What the channel calls.
  struct Callbacks {
    std::function<channel::Hello()> hello;
    std::function<void(const channel::Message&)> message;  ///< on the channel's thread
    std::function<void()> tick;  ///< about ten times a second while connected, same thread
  };

  /// Throws Error: no agent at `path`, Refused by it, or no answer within 10 s, however often a
  /// signal interrupts the wait.
  AgentChannel(std::string path, Callbacks callbacks);
  ~AgentChannel();  ///< as close()
  AgentChannel(const AgentChannel&) = delete;
  AgentChannel& operator=(const AgentChannel&) = delete;

  [[nodiscard]] const channel::Welcome& welcome() const { return welcome_; }
  /// Starts delivery; once.
  void start();
  /// Sends what is queued and ends the thread, in 2 s at most besides what a handler takes: none is
  /// called any more.
  void close();
  /// Queues a message. Any thread; never blocks. Dropped while there is no connection: Hello says
  /// what matters. So a message for which the queue of 4 MiB has no room ends the connection, with
  /// all that is queued: an agent that hears the later ones has heard the earlier ones.
  void send(const channel::Message& message);

  /// The inode of the connection's socket: a process restored elsewhere has another one. This and
  /// redirect(): on this object's thread, in a handler.
  [[nodiscard]] std::uint64_t inode() const;
  /// Takes this connection for one to the agent at `path`, which later connections are made to.
  void redirect(std::string path);

 private:
  class Socket;

  void run(const std::stop_token& stop);
  /// Connects and says Hello. Throws Error; what the agent refused is told first.
  void come_back(const std::stop_token& stop);
  /// Calls a handler. What it throws is told, and thrown on.
  void call(const std::function<void()>& handler);
  static void log_line(const std::string& text);
  void log_refusal(const channel::Refused& refused);
  /// One connection's life, after Hello was answered.
  void serve(Socket& socket, const std::stop_token& stop);
  /// Sends what is queued. False: the connection is over.
  bool flush(Socket& socket, const std::stop_token& stop);
  void wait(const std::stop_token& stop, std::chrono::milliseconds length);
  /// Closes the connection. What CRIU has restored and nobody has redirected is a copy of a job
  /// that runs elsewhere: it must not speak for it. Waits for the end then.
  void leave(const std::stop_token& stop);

  std::string path_;         // changed on the thread only
  std::uint64_t inode_ = 0;  // of the socket when it was connected, or redirected
  const Callbacks callbacks_;
  channel::Welcome welcome_;
  std::unique_ptr<Socket> socket_;
  const EventFd wake_;
  bool refused_ = false;        // when it last came back, for what asking again will hardly change
  std::string logged_refusal_;  // why, as standard error has it
  std::string logged_failure_;  // of a handler
  /// The moment by which all is sent; from the moment on at which the end was asked for.
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::time_point::max();

  Mutex mutex_;
  std::deque<std::vector<std::byte>> queue_ CARDSWAP_GUARDED_BY(mutex_);
  std::size_t queued_bytes_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  bool connected_ CARDSWAP_GUARDED_BY(mutex_) = false;

  GuestThread thread_;
};

}  // namespace cardswap
