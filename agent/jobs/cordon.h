#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "agent/journal/journal.h"

namespace cardswap {

/// Why a host, or one of its devices, takes no new jobs. Present jobs continue.
struct Cordon {
  std::string device;  ///< empty: the whole host
  std::string reason;  ///< for people; may be empty
  std::string by;      ///< who asked, in their own words; may be empty
  std::int64_t at_ms = 0;
};

/// {"device": null or the name, "reason", "by", "at_ms"}
[[nodiscard]] boost::json::object to_json(const Cordon& cordon);

/// The cordons of this host: at most one of the host and one of each device, independent of each
/// other. The journal keeps them over a restart of the agent and a reboot. One thread.
class Cordons {
 public:
  /// Reads what the journal has. Throws Error{io, corrupt}.
  explicit Cordons(Journal& journal);

  /// Sets a cordon. The same one again changes nothing; another reason replaces the former reason
  /// and its time. Throws Error{io} if it did not reach the disk; then nothing has changed.
  void set(Cordon cordon);
  /// Removes a cordon; whether there was one. `device` empty: the host's. Throws as set() does.
  bool lift(const std::string& device);

  /// The cordon that closes this device: the host's, or else its own.
  [[nodiscard]] std::optional<Cordon> find(const std::string& device) const;
  [[nodiscard]] const std::map<std::string, Cordon>& all() const { return cordons_; }

 private:
  Journal& journal_;
  std::map<std::string, Cordon> cordons_;  ///< by device; the host's under the empty name
};

/// "gpu-a is cordoned (maintenance)", "gpu-a/cpu:1 is cordoned".
[[nodiscard]] std::string to_string(const Cordon& cordon, const std::string& host);

}  // namespace cardswap
