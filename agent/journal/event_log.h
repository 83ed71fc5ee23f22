#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/journal/database.h"

namespace cardswap {

/// A bounded list of what the agent did by itself and why, and the faults that are open now, in the
/// journal's file. The file is a Database, and every call throws as that does. A row with damaged
/// text is skipped, and costs no other row. One thread.
class EventLog {
 public:
  static constexpr std::size_t kRowsMax = 20'000;

  /// The Journal must have opened the file before: it checks it.
  explicit EventLog(const std::filesystem::path& file, std::size_t rows_max = kRowsMax);
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  /// Appends all events or none, in one write; the oldest beyond the bound are dropped. An event
  /// has "at_ms", and "device" and "job" where it is about one. Those with "of_alerts": true have a
  /// quarter of the bound for themselves: whoever posts alerts pushes nothing else out.
  void append(const std::vector<boost::json::object>& events);

  /// Which events are asked for.
  struct Query {
    std::int64_t after = 0;  ///< ids above it; 0: the newest
    std::int64_t since_ms = 0;
    std::string device;
    std::string job;
    std::size_t limit = 100;
  };
  /// The events that are asked for, oldest first, each with its "id".
  [[nodiscard]] std::vector<boost::json::object> find(const Query& query) const;
  [[nodiscard]] std::int64_t last_id() const;

  /// Replaces the open faults, and what guards the moves.
  void replace_incidents(const std::vector<boost::json::object>& incidents,
                         const boost::json::object& guards);
  [[nodiscard]] std::vector<boost::json::object> incidents() const;
  [[nodiscard]] boost::json::object guards() const;  ///< empty: none yet

  /// Records how far a log was read.
  void save_cursor(const std::string& log, const boost::json::object& cursor);
  [[nodiscard]] boost::json::object cursor(const std::string& log) const;  ///< empty: none yet

 private:
  Database db_;
  std::size_t rows_max_;
};

}  // namespace cardswap
