#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// Which device each job goes to when it has to leave its own. Pure: values in, values out.
namespace cardswap {

/// A job that has to go.
struct PlacementJob {
  std::string name;
  std::string host;  ///< where it is; any name, as long as devices of that host have the same
  std::string device;
  std::string kind = "cpu";       ///< of device that it needs
  std::uint64_t state_bytes = 0;  ///< what it needs free there
  bool movable = true;
  std::string immovable_reason;  ///< shown when it is not movable
  /// "host/device" of targets that are not tried again, such as one that refused it.
  std::vector<std::string> avoid;
};

/// A device as its agent tells.
struct PlacementDevice {
  std::string host;
  std::string name;
  std::string kind = "cpu";
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  ///< reservations of arriving jobs taken off
  std::size_t jobs = 0;          ///< on it, arriving ones included
  bool cordoned = false;
  bool unhealthy = false;

  [[nodiscard]] std::string address() const { return host + "/" + name; }
};

/// A job, and the device that it goes to.
struct Assignment {
  std::size_t job = 0;     ///< index into the jobs
  std::size_t device = 0;  ///< index into the devices
};

/// Why a job does not fit, said once for all devices that it is true of.
struct PlacementReason {
  std::string text;             ///< "cordoned", "at most 8.0 MiB left, 16.0 MiB needed"
  std::size_t devices = 0;      ///< 0: the reason is the job's own
  std::vector<std::string> on;  ///< the first few of them, as "host/device"
};

/// A job that fits nowhere, and why.
struct Unplaced {
  std::size_t job = 0;
  std::vector<PlacementReason> reasons;
};

/// Where all jobs go.
struct Placement {
  std::vector<Assignment> assigned;  ///< largest job first
  std::vector<Unplaced> unplaced;    ///< largest job first
};

/// Places the largest job first, each on a device of its kind with enough memory left (what was
/// placed before it taken off): the one with the fewest jobs, of those on the host with the fewest,
/// of those the one with the most free memory. Never on the job's own device, on one that is
/// cordoned or unhealthy, or on a host of `leaving`. A job that fits nowhere takes nobody's place.
///
/// The same jobs and devices give the same placement, in whatever order they come. Time is
/// O(jobs x devices) with a few nanoseconds a pair: 5,000 jobs on 10,000 devices take under a
/// second. Throws nothing but std::bad_alloc.
[[nodiscard]] Placement place(std::span<const PlacementJob> jobs,
                              std::span<const PlacementDevice> devices,
                              std::span<const std::string> leaving = {});

/// "cordoned (gpu-b/cpu:0, gpu-b/cpu:1 and 6 more); of another kind than cuda (gpu-c/cpu:0)".
[[nodiscard]] std::string to_string(std::span<const PlacementReason> reasons);

}  // namespace cardswap
