#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace cardswap {

/// How long ended records are kept, in memory and in the journal. The latest `count` stay, and all
/// that ended within `least`, since the other side may still ask about them. None stays longer than
/// `most`, and no more than `count_max` stay in total.
struct Retention {
  std::size_t count = 1000;
  std::chrono::milliseconds least = std::chrono::hours(1);
  std::chrono::milliseconds most = std::chrono::hours(24 * 30);
  std::size_t count_max = 10'000;
  std::size_t of_maker = 256;  ///< of one maker with a name only so many stay, the latest
  std::size_t at_once = 200;   ///< forgotten in one call at most: each costs a write to the disk
};

/// Which records are forgotten now, as indices into `ended_at_ms`, ascending. `ended_at_ms` is in
/// the order in which the records were made; 0 is a record that has not ended or is still needed:
/// it stays. Pure.
[[nodiscard]] std::vector<std::size_t> to_forget(std::span<const std::int64_t> ended_at_ms,
                                                 std::int64_t now_ms,
                                                 const Retention& retention = {});
/// Which records are forgotten now, if at most `of_maker` records of one maker stay: many requests
/// of one agent do not push out the records of others. `makers` has the maker's name at the same
/// index, or an empty name: such records have no limit of this kind. Pure.
[[nodiscard]] std::vector<std::size_t> to_forget(std::span<const std::int64_t> ended_at_ms,
                                                 std::span<const std::string_view> makers,
                                                 std::int64_t now_ms,
                                                 const Retention& retention = {});

}  // namespace cardswap
