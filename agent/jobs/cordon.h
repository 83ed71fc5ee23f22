#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "agent/journal/journal.h"

namespace cardswap {

/// An operator's order that this host, or one of its devices, takes no new jobs. Present jobs go
/// on.
struct Cordon {
  std::string device;      ///< empty: the whole host
  std::string reason;      ///< for people; may be empty
  std::string by;          ///< who asked, as they name themselves; may be empty
  std::int64_t at_ms = 0;  ///< Unix time; 0: Cordons::set() puts the present time
};

/// {"device": null or the name, "reason", "by", "at_ms"}
[[nodiscard]] boost::json::object to_json(const Cordon& cordon);

/// The cordons of this host: at most one for the whole host and one for each device, independent of
/// each other. The journal keeps them over a restart of the agent and a reboot. `journal` must
/// outlive it. One thread.
class Cordons {
 public:
  /// Reads what the journal has. Throws Error{io, corrupt}.
  explicit Cordons(Journal& journal);

  /// Sets a cordon. One with the same device and reason changes nothing; another reason replaces
  /// the former cordon. Throws Error{io, corrupt} if the disk refuses; then nothing has changed.
  void set(Cordon cordon);
  /// Removes a cordon and returns whether there was one. `device` empty: the host's. Throws
  /// Error{io} if the disk refuses; then nothing has changed.
  bool lift(const std::string& device);

  /// The cordon that closes this device: the host's, or else its own; nullopt: the device is open.
  [[nodiscard]] std::optional<Cordon> find(const std::string& device) const;
  [[nodiscard]] const std::map<std::string, Cordon>& all() const { return cordons_; }

 private:
  Journal& journal_;
  std::map<std::string, Cordon> cordons_;  ///< by device; the host's under the empty name
};

/// "gpu-a is cordoned (maintenance)", "gpu-a/cpu:1 is cordoned".
[[nodiscard]] std::string to_string(const Cordon& cordon, const std::string& host);

}  // namespace cardswap
