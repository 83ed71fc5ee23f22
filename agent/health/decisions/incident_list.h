#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>

#include "agent/health/decisions/incident.h"

namespace cardswap::health {

/// The open faults of this host, quiet ones included, and what they mean for a device. It has at
/// most 512, and however many a former agent left: none of those is dropped, because each may hold
/// a cordon. Pointers stay valid until their incident is erased. One thread.
class IncidentList {
 public:
  static constexpr std::size_t kMax = 512;

  /// Adds an incident for the finding. If the list is full, erases the oldest one that asks for no
  /// cordon and no move. Null: there is none, and nothing was added.
  Incident* add(const Finding& finding, const std::string& code);
  /// Adds an incident of a former agent.
  void restore(Incident incident);
  /// The incident, or null.
  Incident* find(const std::string& device, const std::string& code);
  Incident* at(std::uint64_t id);
  /// Erases the incidents for which `is` returns true. Returns how many.
  template <class Is>
  std::size_t erase_if(Is is) {
    return std::erase_if(all_, is);
  }

  /// Whether the device's memory may be copied.
  [[nodiscard]] bool is_trusted(std::string_view device) const;
  /// Whether an open fault of the device itself closes it: not one of another device that empties
  /// the whole host.
  [[nodiscard]] bool is_sick(std::string_view device) const;
  /// Whether a job may be placed on the device: no open fault asks for a cordon or more.
  [[nodiscard]] bool is_usable(std::string_view device) const;
  /// A fault that closes `device` and is not quiet, such as "cuda:0 xid:64"; "": there is none.
  /// Empty `device`: a fault of any device.
  [[nodiscard]] std::string open_fault(const std::string& device) const;

  [[nodiscard]] const std::list<Incident>& all() const { return all_; }
  [[nodiscard]] bool empty() const { return all_.empty(); }
  [[nodiscard]] auto begin() const { return all_.begin(); }
  [[nodiscard]] auto end() const { return all_.end(); }
  [[nodiscard]] auto begin() { return all_.begin(); }
  [[nodiscard]] auto end() { return all_.end(); }

 private:
  std::list<Incident> all_;
  std::uint64_t next_id_ = 1;
};

}  // namespace cardswap::health
