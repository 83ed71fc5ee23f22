#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "migrator/base/mutex.h"
#include "migrator/wire/frame_reader.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap::bench {

/// The agent's side of the runtime socket, with no agent behind it: it welcomes a primary and a
/// standby at a time, keeps what they say and says what it is told to. What a trainer pays for
/// being attached is measured without the work of an agent that shares its processors.
class AgentSide {
 public:
  AgentSide();
  ~AgentSide();
  AgentSide(const AgentSide&) = delete;
  AgentSide& operator=(const AgentSide&) = delete;

  /// The environment of a program in that role, as "NAME=value".
  [[nodiscard]] std::vector<std::string> environment(channel::Role role) const;

  void say(channel::Role to, const channel::Message& message);

  /// The next message of that kind; everything before it is dropped.
  template <class Kind>
  Kind wait_for(std::chrono::seconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    MutexLock lock(mutex_);
    while (true) {
      while (heard_.empty()) {
        if (changed_.wait_until(lock, deadline) || !heard_.empty()) continue;
        throw std::runtime_error("the runtime did not say what was waited for");
      }
      auto message = std::move(heard_.front());
      heard_.pop_front();
      if (auto* kind = std::get_if<Kind>(&message)) return std::move(*kind);
    }
  }
  /// Drops what was heard so far.
  void forget();

 private:
  struct Connection {
    int fd = -1;
    channel::Role role = channel::Role::primary;
    channel::FrameReader frames;
  };

  void run(const std::stop_token& stop);
  bool serve(Connection& connection);
  void take(Connection& connection, const channel::Message& message);

  std::string folder_;
  std::string path_;
  int listener_ = -1;
  int wake_ = -1;
  Mutex mutex_;
  std::deque<channel::Message> heard_ CARDSWAP_GUARDED_BY(mutex_);
  std::map<channel::Role, int> roles_ CARDSWAP_GUARDED_BY(mutex_);  // descriptors to speak to
  Condition changed_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::jthread thread_;
};

}  // namespace cardswap::bench
