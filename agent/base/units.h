#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace cardswap {

/// "64MiB", "1.5GB", "4096" -> bytes. Throws Error{bad_request} naming `what` and an example.
[[nodiscard]] std::uint64_t parse_size(std::string_view what, std::string_view text);
/// "200MiB/s", "10Gbit/s", "10Gbps" -> bytes per second; "none" -> 0. Throws Error{bad_request},
/// also for less than 1 byte per second.
[[nodiscard]] std::uint64_t parse_rate(std::string_view what, std::string_view text);
/// "300ms", "10s", "5m", "2h" -> milliseconds; "none" -> 0. Throws Error{bad_request}.
[[nodiscard]] std::chrono::milliseconds parse_duration(std::string_view what,
                                                       std::string_view text);
/// Reads a limit like parse_duration(). Less than 1 ms throws Error{bad_request}, so that 0 always
/// means "none".
[[nodiscard]] std::chrono::milliseconds parse_limit(std::string_view what, std::string_view text);

/// "11.4 MiB", "812 B".
[[nodiscard]] std::string format_size(std::uint64_t bytes);
/// "812 ms", "12.3 s", "4m 5s".
[[nodiscard]] std::string format_ms(double ms);
/// "1 step", "5 steps": a number with its noun, whose plural has an s.
[[nodiscard]] std::string counted(std::uint64_t number, std::string_view noun);

/// The Unix time in milliseconds.
[[nodiscard]] std::int64_t unix_ms();
/// `bytes` (256 at most) random bytes from the kernel, in hexadecimal. Throws Error{io}.
[[nodiscard]] std::string random_hex(std::size_t bytes);

}  // namespace cardswap
