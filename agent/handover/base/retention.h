#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace cardswap {

/// How long ended records are remembered, here and in the journal. The latest `count` stay, and all
/// that ended within `least`, since the other side may still ask about them. None stays longer than
/// `most`, and no more than `count_most` stay in all.
struct Retention {
  std::size_t count = 1000;
  std::chrono::milliseconds least = std::chrono::hours(1);
  std::chrono::milliseconds most = std::chrono::hours(24 * 30);
  std::size_t count_most = 10'000;
  std::size_t of_maker = 256;  ///< the latest of each maker that has a name, however young
  std::size_t at_once = 200;   ///< each costs a write to the disk
};

/// Which records are forgotten now, as places in `ended_at_ms`, ascending. Those are oldest first;
/// 0 is a record that is not over, or that is still needed, and stays. Pure.
[[nodiscard]] std::vector<std::size_t> to_forget(std::span<const std::int64_t> ended_at_ms,
                                                 std::int64_t now_ms,
                                                 const Retention& retention = {});
/// Which records are forgotten now, with no more than `of_maker` of one of `makers`, the names at
/// the same places: what one asks for does not push out what others may ask about. Where there is
/// no name only the rest counts.
[[nodiscard]] std::vector<std::size_t> to_forget(std::span<const std::int64_t> ended_at_ms,
                                                 std::span<const std::string_view> makers,
                                                 std::int64_t now_ms,
                                                 const Retention& retention = {});

}  // namespace cardswap
