#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace cardswap {

/// "64MiB", "1.5GB", "4096" -> bytes. Throws Error{bad_request} naming `what` and an example.
[[nodiscard]] std::uint64_t parse_size(std::string_view what, std::string_view text);
/// "200MiB/s", "10Gbit/s", "10Gbps" -> bytes a second; "none" -> 0. Less than 1 is refused.
[[nodiscard]] std::uint64_t parse_rate(std::string_view what, std::string_view text);
/// "300ms", "10s", "5m", "2h" -> milliseconds; "none" -> 0.
[[nodiscard]] std::chrono::milliseconds parse_duration(std::string_view what,
                                                       std::string_view text);
/// Reads a limit as parse_duration() reads it; less than 1 ms is refused, so that 0 is "none" and
/// nothing else.
[[nodiscard]] std::chrono::milliseconds parse_limit(std::string_view what, std::string_view text);

/// "11.4 MiB", "812 B".
[[nodiscard]] std::string format_size(std::uint64_t bytes);
/// "812 ms", "12.3 s", "4m 5s".
[[nodiscard]] std::string format_ms(double ms);

/// The time in milliseconds since 1970.
[[nodiscard]] std::int64_t unix_ms();
/// `bytes` random bytes from the kernel, in hexadecimal.
[[nodiscard]] std::string random_hex(std::size_t bytes);

}  // namespace cardswap
