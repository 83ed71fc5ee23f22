#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "agent/journal/journal.h"

namespace cardswap {

/// Why a host, or one device of it, takes no new jobs. Jobs that are there go on.
struct Cordon {
  std::string device;  ///< empty: the whole host
  std::string reason;  ///< for people; may be empty
  std::string by;      ///< who asked, as they say; may be empty
  std::int64_t at_ms = 0;
};

/// {"device": null or the name, "reason", "by", "at_ms"}
[[nodiscard]] boost::json::object to_json(const Cordon& cordon);

/// The cordons of this host: at most one for all of it and one a device, independent of each other.
/// Kept in the journal, so that they outlive the agent and a reboot. One thread.
class Cordons {
 public:
  /// Reads what the journal has. Throws Error{io, corrupt}.
  explicit Cordons(Journal& journal);

  /// The same again changes nothing; another reason replaces the former one and its time.
  /// Throws Error{io} when it did not reach the disk, and then nothing has changed.
  void set(Cordon cordon);
  /// Whether there was one. `device` empty: the one of the whole host. Throws as set() does.
  bool lift(const std::string& device);

  /// What closes this device: the host's cordon before its own.
  [[nodiscard]] std::optional<Cordon> of(const std::string& device) const;
  [[nodiscard]] const std::map<std::string, Cordon>& all() const { return cordons_; }

 private:
  Journal& journal_;
  std::map<std::string, Cordon> cordons_;  ///< by device; the host's under the empty name
};

/// "gpu-a is cordoned (maintenance)", "gpu-a/cpu:1 is cordoned".
[[nodiscard]] std::string to_string(const Cordon& cordon, const std::string& host);

}  // namespace cardswap
