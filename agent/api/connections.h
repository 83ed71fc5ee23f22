#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

namespace cardswap {

/// Holds the open connections of one listener of the API, TCP or the unix socket, up to a limit.
///
/// When the limit is reached, a new connection replaces one that waits for its client's next
/// request: of the address with the most connections, the one that has waited longest. So slow and
/// silent clients, however many, do not keep others out. A connection whose call is being answered
/// is never dropped. Calls that are being answered have a limit of their own, and so has each
/// caller, so that a caller whose calls never end does not keep others out. Connections whose
/// latest call was one between agents are dropped last. One thread.
class Connections {
  struct Entry;

 public:
  /// How many connections and calls there may be at a time.
  struct Limits {
    std::size_t connections = 512;
    std::size_t calls = 256;       ///< calls that are being answered, without those between agents
    std::size_t of_a_caller = 32;  ///< calls of one caller
    std::size_t of_an_agent = 96;  ///< calls of one other agent: it may hold 64 places of this host
    std::size_t kept = 32;         ///< added to `calls` for callers with `has_room`
  };
  /// The caller of a call, and which limits hold for it.
  struct CallerQuota {
    std::string caller = {};  ///< the same name for all its calls; empty: no limit of its own
    bool is_agent = false;    ///< the caller is another host's agent
    /// Whether it is a call by which agents hand jobs over: `Limits::calls` does not hold for it.
    bool among_agents = false;
    bool has_room = false;  ///< a probe or the agent's owner: it may use the `kept` places, too
  };
  /// Whether a call was accepted; if not, whether the listener or this caller has used up its
  /// limit.
  enum class Room { given, full, full_for_caller };
  explicit Connections(Limits limits) : limits_(limits) {}

  /// The place of one connection; its destructor frees the place. `all` outlives it.
  class Slot {
   public:
    Slot(Connections& all, std::list<Entry>::iterator entry) : all_(all), entry_(entry) {}
    ~Slot();
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    /// Ends the call, if there is one. The connection may be dropped from here on: it is the
    /// client's turn.
    void start_waiting();
    /// Begins a call: the connection is not dropped until start_waiting(). If the result is not
    /// `given`, the caller has to be refused. Calls between agents are never `full`.
    [[nodiscard]] Room begin_call(const CallerQuota& by);

   private:
    Connections& all_;
    std::list<Entry>::iterator entry_;
  };

  /// Makes a place for a new connection from `address`. `drop` closes that connection; it is called
  /// at most once, from within enter(), and the Slot stays valid. Null: the listener is full, and
  /// every connection is being answered.
  [[nodiscard]] std::unique_ptr<Slot> enter(const std::string& address, std::function<void()> drop);
  /// Open connections, without those that were dropped.
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  /// A connection, and what it does.
  struct Entry {
    std::string address;
    std::function<void()> drop;
    bool waiting = true;
    bool was_among_agents = false;
    bool counted_call = false;
    std::string caller = {};  // whose call is counted in calls_of_; empty: no call is
    bool dropped = false;
  };
  void end_call(Entry& entry);
  void leave(Entry& entry);

  const Limits limits_;
  std::list<Entry> entries_;  // the one that has waited longest is first
  std::map<std::string, std::size_t> held_;
  std::map<std::string, std::size_t> calls_of_;  // being answered, by caller
  std::size_t count_ = 0;  // without those that were dropped and have not noticed yet
  std::size_t calls_ = 0;
};

}  // namespace cardswap
