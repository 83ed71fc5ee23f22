#include "agent/base/units.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <charconv>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/base/hex.h"

namespace cardswap {
namespace {

struct Suffix {
  std::string_view text;
  double factor;
};

/// A non-negative number and one of `suffixes`, or nothing.
double number_with_suffix(std::string_view what, std::string_view text,
                          std::initializer_list<Suffix> suffixes, std::string_view example) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error == std::errc{} && std::isfinite(number) && number >= 0) {
    for (const auto& suffix : suffixes) {
      if (rest == suffix.text && number * suffix.factor < 9e18) return number * suffix.factor;
    }
  }
  throw Error(Code::bad_request, fmt::format("{}: '{}' is not understood", what, text),
              fmt::format("write it like {}", example));
}

/// A limit of 0 would let nothing through: nobody means that, and it must not count as "no limit".
[[noreturn]] void refuse_nothing(std::string_view what, std::string_view text) {
  throw Error(Code::bad_request, fmt::format("{}: '{}' would let nothing through", what, text),
              "`none` lifts the limit");
}

}  // namespace

std::uint64_t parse_size(std::string_view what, std::string_view text) {
  return static_cast<std::uint64_t>(number_with_suffix(what, text,
                                                       {{"", 1},
                                                        {"B", 1},
                                                        {"KiB", 1024.0},
                                                        {"MiB", 1048576.0},
                                                        {"GiB", 1073741824.0},
                                                        {"TiB", 1099511627776.0},
                                                        {"KB", 1e3},
                                                        {"MB", 1e6},
                                                        {"GB", 1e9},
                                                        {"TB", 1e12}},
                                                       "64MiB or 2GB"));
}

std::uint64_t parse_rate(std::string_view what, std::string_view text) {
  if (text == "none") return 0;
  if (text == "0") refuse_nothing(what, text);
  // Links are named by bits, in thousands, and files by bytes.
  const auto rate = static_cast<std::uint64_t>(number_with_suffix(what, text,
                                                                  {{"B/s", 1},
                                                                   {"KiB/s", 1024.0},
                                                                   {"MiB/s", 1048576.0},
                                                                   {"GiB/s", 1073741824.0},
                                                                   {"TiB/s", 1099511627776.0},
                                                                   {"KB/s", 1e3},
                                                                   {"kB/s", 1e3},
                                                                   {"MB/s", 1e6},
                                                                   {"GB/s", 1e9},
                                                                   {"TB/s", 1e12},
                                                                   {"bit/s", 1.0 / 8},
                                                                   {"kbit/s", 1e3 / 8},
                                                                   {"Kbit/s", 1e3 / 8},
                                                                   {"Mbit/s", 1e6 / 8},
                                                                   {"Gbit/s", 1e9 / 8},
                                                                   {"Tbit/s", 1e12 / 8},
                                                                   {"bps", 1.0 / 8},
                                                                   {"kbps", 1e3 / 8},
                                                                   {"Kbps", 1e3 / 8},
                                                                   {"Mbps", 1e6 / 8},
                                                                   {"Gbps", 1e9 / 8},
                                                                   {"Tbps", 1e12 / 8}},
                                                                  "200MiB/s, 10Gbit/s or none"));
  if (rate == 0) refuse_nothing(what, text);
  return rate;
}

std::chrono::milliseconds parse_duration(std::string_view what, std::string_view text) {
  if (text == "none") return {};
  return std::chrono::milliseconds(static_cast<std::int64_t>(number_with_suffix(
      what, text, {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}}, "300ms, 10s or 5m")));
}

std::chrono::milliseconds parse_limit(std::string_view what, std::string_view text) {
  const auto limit = parse_duration(what, text);
  if (text != "none" && limit.count() == 0) refuse_nothing(what, text);
  return limit;
}

std::string format_size(std::uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string format_ms(double ms) {
  if (ms < 10) return fmt::format("{:.1f} ms", ms);
  if (ms < 1000) return fmt::format("{:.0f} ms", ms);
  if (ms < 60'000) return fmt::format("{:.1f} s", ms / 1e3);
  const auto seconds = static_cast<std::int64_t>(ms / 1e3);
  return fmt::format("{}m {}s", seconds / 60, seconds % 60);
}

std::string counted(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

std::int64_t unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string random_hex(std::size_t bytes) {
  std::vector<unsigned char> raw(bytes);
  if (::getrandom(raw.data(), raw.size(), 0) != static_cast<ssize_t>(bytes)) {
    throw Error(Code::io, "the kernel gave no random bytes");
  }
  return to_hex(std::as_bytes(std::span(raw)));
}

}  // namespace cardswap
