#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/journal/database.h"

namespace cardswap {

/// What the agent did by itself and why, in a bounded list; the faults that are open now; and how
/// far logs were read: all in the journal's file. Every call throws as a Database does, and may
/// wait as one. A row with damaged text is skipped and logged; the other rows are not affected. One
/// thread.
class EventLog {
 public:
  static constexpr std::size_t kRowsMax = 20'000;

  /// The Journal must have opened the file before: it checks the file and sets a damaged one aside.
  explicit EventLog(const std::filesystem::path& file, std::size_t rows_max = kRowsMax);
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  /// Appends all events or none, in one write, and drops the oldest ones beyond the bound. An event
  /// has "at_ms", and "device" and "job" if it is about one. Events with "of_alerts": true have a
  /// bound of their own, a quarter of the other: callers who post alerts push no other event out.
  void append(const std::vector<boost::json::object>& events);

  /// Which events find() returns.
  struct Query {
    std::int64_t after = 0;     ///< the first `limit` with a greater id; 0: the last `limit` of all
    std::int64_t since_ms = 0;  ///< Unix time in ms; 0: of any time
    std::string device;         ///< empty: of any device and of none
    std::string job;            ///< empty: of any job and of none
    std::size_t limit = 100;
  };
  /// The events that match, oldest first, each with its "id".
  [[nodiscard]] std::vector<boost::json::object> find(const Query& query) const;
  /// The id of the newest event; 0: there is none.
  [[nodiscard]] std::int64_t last_id() const;

  /// Replaces the open faults and the state of the guards (decisions/guards.h), in one write.
  void replace_incidents(const std::vector<boost::json::object>& incidents,
                         const boost::json::object& guards);
  [[nodiscard]] std::vector<boost::json::object> incidents() const;
  [[nodiscard]] boost::json::object guards() const;  ///< empty: none were saved

  /// Records how far the log of that name was read.
  void save_cursor(const std::string& log, const boost::json::object& cursor);
  [[nodiscard]] boost::json::object cursor(
      const std::string& log) const;  ///< empty: none was saved

 private:
  Database db_;
  std::size_t rows_max_;
};

}  // namespace cardswap
