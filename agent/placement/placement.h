#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// Chooses a device for each job that has to leave its own. Pure.
namespace cardswap {

/// A job that has to leave its device.
struct PlacementJob {
  std::string name;
  std::string host;  ///< where it is; spelled as PlacementDevice::host of that host
  std::string device;
  std::string kind = "cpu";       ///< the kind of device that it needs
  std::uint64_t state_bytes = 0;  ///< the free memory that it needs there
  bool movable = true;
  std::string immovable_reason;  ///< shown when it is not movable
  /// "host/device" of targets that are not tried again, such as one that has refused it.
  std::vector<std::string> avoid;
};

/// A device as its agent reports it.
struct PlacementDevice {
  std::string host;
  std::string name;
  std::string kind = "cpu";
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  ///< without the reservations of arriving jobs
  std::size_t jobs = 0;          ///< how many jobs it has, arriving ones included
  bool cordoned = false;
  bool unhealthy = false;

  [[nodiscard]] std::string address() const { return host + "/" + name; }
};

/// A job and the device to which it goes.
struct Assignment {
  std::size_t job = 0;     ///< index into the jobs
  std::size_t device = 0;  ///< index into the devices
};

/// A reason why a job does not fit, with the devices of which it is true.
struct PlacementReason {
  std::string text;             ///< "cordoned", "at most 8.0 MiB left, 16.0 MiB needed"
  std::size_t devices = 0;      ///< how many devices; 0: the reason lies in the job
  std::vector<std::string> on;  ///< the first few of them, as "host/device"
};

/// A job that fits nowhere, and why.
struct Unplaced {
  std::size_t job = 0;
  std::vector<PlacementReason> reasons;
};

/// The result of place(): each job is in one of the two.
struct Placement {
  std::vector<Assignment> assigned;  ///< largest job first
  std::vector<Unplaced> unplaced;    ///< largest job first
};

/// Places the largest job first. A job goes to a device of its kind with enough memory left after
/// the jobs placed before it: to the one with the fewest jobs; among those, to the one whose host
/// has the fewest jobs; among those, to the one with the most free memory. It never goes to its own
/// device, to a cordoned or unhealthy one, or to a host of `leaving`. A job that fits nowhere uses
/// no memory.
///
/// The result does not depend on the order of jobs and devices. Time is O(jobs x devices): 5,000
/// jobs on 10,000 devices take under a second. Throws nothing but std::bad_alloc.
[[nodiscard]] Placement place(std::span<const PlacementJob> jobs,
                              std::span<const PlacementDevice> devices,
                              std::span<const std::string> leaving = {});

/// "cordoned (gpu-b/cpu:0, gpu-b/cpu:1 and 6 more); not of kind cuda (gpu-c/cpu:0)".
[[nodiscard]] std::string to_string(std::span<const PlacementReason> reasons);

}  // namespace cardswap
