#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

namespace cardswap {

/// Holds the open connections of one door of the API, TCP or the unix socket, up to a limit.
///
/// When the door is full, a new connection replaces one that only waits for its client to speak:
/// the one that has waited longest, of the address that holds most. So slow and silent clients,
/// however many, keep nobody out. A connection whose call is being answered is never dropped. Such
/// calls have a limit of their own, and each caller has one too, so a caller who makes the agent
/// wait for something that never comes does not keep the others out. A line on which an agent has
/// called is dropped last. One thread.
class Connections {
  struct Entry;

 public:
  /// How many calls and connections there may be.
  struct Limits {
    std::size_t connections = 512;
    std::size_t calls = 256;       ///< being answered, agents' own excepted
    std::size_t of_a_caller = 32;  ///< of them, one caller's
    std::size_t of_an_agent = 96;  ///< of one agent: it may hold 64 places here
    std::size_t kept = 32;         ///< more than `calls`, for who has room of its own
  };
  /// The caller of a call, and what it may take.
  struct CallerQuota {
    std::string caller = {};  ///< one name for all its calls; empty: nobody to be told from others
    bool is_agent = false;    ///< another host's
    bool among_agents = false;  ///< one of the calls by which agents hand jobs over
    bool has_room = false;      ///< a probe's or the owner's: `kept` is there for these
  };
  /// Whether a call was given room, and if not, whose fill it.
  enum class Room { given, full, full_for_caller };
  explicit Connections(Limits limits) : limits_(limits) {}

  /// A connection's place; left with it.
  class Slot {
   public:
    Slot(Connections& all, std::list<Entry>::iterator entry) : all_(all), entry_(entry) {}
    ~Slot();
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    /// Notes that it is the client's turn from here on: the connection may be dropped.
    void waits();
    /// Begins a call: it is our turn from here on. Not `given`: so many calls are being answered,
    /// or so many of this caller's alone, that this one has to be refused. Calls among agents only
    /// for the latter.
    [[nodiscard]] Room begins_call(const CallerQuota& by);

   private:
    Connections& all_;
    std::list<Entry>::iterator entry_;
  };

  /// The place of a new connection, which `drop` closes. Nothing when all are being answered.
  [[nodiscard]] std::unique_ptr<Slot> enter(const std::string& address, std::function<void()> drop);
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  /// A connection, and what it does.
  struct Entry {
    std::string address;
    std::function<void()> drop;
    bool waiting = true;
    bool of_agent = false;
    bool counted_call = false;
    std::string caller = {};  // whose call is counted; empty: none is
    bool dropped = false;
  };
  void end_call(Entry& entry);
  void leave(Entry& entry);

  const Limits limits_;
  std::list<Entry> entries_;  // by how long each waits, longest first
  std::map<std::string, std::size_t> held_;
  std::map<std::string, std::size_t> calls_of_;  // being answered, by caller
  std::size_t count_ = 0;  // without those that were dropped and have not noticed yet
  std::size_t calls_ = 0;
};

}  // namespace cardswap
