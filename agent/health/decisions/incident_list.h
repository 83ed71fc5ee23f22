#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>

#include "agent/health/decisions/incident.h"

namespace cardswap::health {

/// The open faults of this host, at most 512, and what they say about a device. Addresses are
/// stable until an incident is erased. One thread.
class IncidentList {
 public:
  static constexpr std::size_t kMax = 512;

  /// Adds one for the finding. The oldest that nobody acts on makes room where it must; null: none
  /// does, and the finding is dropped.
  Incident* add(const Finding& finding, const std::string& code);
  /// Adds one of a former agent.
  void restore(Incident incident);
  Incident* find(const std::string& device, const std::string& code);
  Incident* at(std::uint64_t id);
  /// Erases those of which `is` says true; returns how many.
  template <class Is>
  std::size_t erase_if(Is is) {
    return std::erase_if(all_, is);
  }

  /// Whether the device's memory may be copied.
  [[nodiscard]] bool is_trusted(std::string_view device) const;
  /// Whether a job may be placed there: no open fault is worse than a report.
  [[nodiscard]] bool is_usable(std::string_view device) const;
  /// "cuda:0 xid:64" if an open fault closes `device`; empty `device`: any device.
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
