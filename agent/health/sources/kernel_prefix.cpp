#include "agent/health/sources/kernel_prefix.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "agent/health/sources/text_cursor.h"

namespace cardswap::health {
namespace {

constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array kDays{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr Ms kDayMs = 86'400'000;

/// Takes a number of `least` to `most` digits.
std::optional<int> take_digits(std::string_view& text, std::size_t least, std::size_t most) {
  std::size_t count = 0;
  int value = 0;
  while (count < most && count < text.size() && is_digit(text[count])) {
    value = value * 10 + (text[count++] - '0');
  }
  if (count < least) return std::nullopt;
  text.remove_prefix(count);
  return value;
}

struct TimeOfDay {
  int hour = 0;
  int minute = 0;
  int second = 0;
  int ms = 0;
};

/// "16:50:10", "16:50:10.123456", "13:32:56,123456"
std::optional<TimeOfDay> take_clock(std::string_view& text) {
  auto rest = text;
  TimeOfDay clock;
  const auto hour = take_digits(rest, 2, 2);
  if (!hour || !take(rest, ":")) return std::nullopt;
  const auto minute = take_digits(rest, 2, 2);
  if (!minute || !take(rest, ":")) return std::nullopt;
  const auto second = take_digits(rest, 2, 2);
  if (!second) return std::nullopt;
  clock = {*hour, *minute, *second, 0};
  if (rest.size() > 1 && (rest[0] == '.' || rest[0] == ',') && is_digit(rest[1])) {
    rest.remove_prefix(1);
    int scale = 100;
    while (!rest.empty() && is_digit(rest[0])) {
      clock.ms += (rest[0] - '0') * scale;
      scale /= 10;
      rest.remove_prefix(1);
    }
  }
  text = rest;
  return clock;
}

/// `zone`: seconds east of UTC; nothing: this host's time.
Ms wall_ms(int year, int month, int day, const TimeOfDay& clock, std::optional<int> zone) {
  std::tm when{};
  when.tm_year = year - 1900;
  when.tm_mon = month - 1;
  when.tm_mday = day;
  when.tm_hour = clock.hour;
  when.tm_min = clock.minute;
  when.tm_sec = clock.second;
  when.tm_isdst = -1;
  const auto seconds = zone ? ::timegm(&when) - *zone : std::mktime(&when);
  return static_cast<Ms>(seconds) * 1000 + clock.ms;
}

int this_year(Ms now) {
  const auto seconds = static_cast<std::time_t>(now / 1000);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  return parts.tm_year + 1900;
}

template <std::size_t N>
std::optional<int> take_one_of(std::string_view& text, const std::array<const char*, N>& names) {
  for (std::size_t i = 0; i < N; ++i) {
    if (take(text, names[i])) return static_cast<int>(i);
  }
  return std::nullopt;
}

/// Reads the text before the driver's message, part by part.
class Prefix {
 public:
  Prefix(std::string_view text, Ms now, KernelRecord& record)
      : rest_(text), now_(now), record_(record) {}

  KernelRecord::Kind read() {
    while (true) {
      skip(rest_);
      if (rest_.empty()) return KernelRecord::Kind::message;
      const bool known = take_priority() || take_level() || take_bracket() || take_iso() ||
                         take_unix() || take_month() || take_weekday() || take_kernel();
      if (not_kernel_) return KernelRecord::Kind::not_kernel;
      if (!known) return KernelRecord::Kind::unknown_form;
    }
  }

 private:
  /// "<4>" of dmesg -r, "<4>1 " of RFC 5424: the facility is above the lowest three bits.
  bool take_priority() {
    auto rest = rest_;
    if (!take(rest, "<")) return false;
    const auto value = take_digits(rest, 1, 3);
    if (!value || !take(rest, ">")) return false;
    not_kernel_ = *value >= 8;
    if (take(rest, "1 ")) skip(rest);
    rest_ = rest;
    return true;
  }

  /// "kern  :warn  : " of dmesg -x.
  bool take_level() {
    auto rest = rest_;
    const auto word = [&] {
      std::size_t size = 0;
      while (size < rest.size() && rest[size] >= 'a' && rest[size] <= 'z') ++size;
      const auto found = rest.substr(0, size);
      rest.remove_prefix(size);
      skip(rest);
      return found;
    };
    const auto facility = word();
    if (facility.empty() || facility == "kernel" || !take(rest, ":")) return false;
    if (word().empty() || !take(rest, ":")) return false;
    not_kernel_ = facility != "kern";
    rest_ = rest;
    return true;
  }

  /// "[16450076.435595]", "[Fri Aug  9 13:32:56 2024]", "[May27 16:50]", "[  +0.000001]", "[   T1]"
  bool take_bracket() {
    if (!rest_.starts_with('[')) return false;
    const auto close = rest_.find(']');
    if (close == std::string_view::npos || close > 48) return false;
    auto inside = rest_.substr(1, close - 1);
    const bool plain = std::all_of(inside.begin(), inside.end(), [](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             std::string_view(" .,:+-<>").find(c) != std::string_view::npos;
    });
    if (!plain) return false;
    rest_.remove_prefix(close + 1);
    skip(inside);
    double seconds = 0;
    const auto [end, error] =
        std::from_chars(inside.data(), inside.data() + inside.size(), seconds);
    if (error == std::errc{} && (end == inside.data() + inside.size() || *end == ' ')) {
      record_.uptime = seconds;
      return true;
    }
    if (take_one_of(inside, kDays)) skip(inside);
    if (const auto month = take_one_of(inside, kMonths)) {
      skip(inside);
      const auto day = take_digits(inside, 1, 2);
      skip(inside);
      const auto clock = take_clock(inside);
      skip(inside);
      const auto year = take_digits(inside, 4, 4);
      if (day && clock && year) {
        record_.at = wall_ms(*year, *month + 1, *day, *clock, std::nullopt);
      }
    }
    return true;
  }

  /// "2026-02-14T05:03:42.123456+00:00", "2026-05-27 16:50:10 UTC"
  bool take_iso() {
    auto rest = rest_;
    const auto year = take_digits(rest, 4, 4);
    if (!year || !take(rest, "-")) return false;
    const auto month = take_digits(rest, 2, 2);
    if (!month || !take(rest, "-")) return false;
    const auto day = take_digits(rest, 2, 2);
    if (!day || !(take(rest, "T") || take(rest, " "))) return false;
    const auto clock = take_clock(rest);
    if (!clock) return false;
    std::optional<int> zone;
    auto after = rest;
    skip(after);
    if (take(rest, "Z")) {
      zone = 0;
    } else if (after.starts_with("UTC ") || after.starts_with("GMT ")) {
      zone = 0;
      rest = after.substr(3);
    } else if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) {
      const int sign = rest[0] == '-' ? -1 : 1;
      rest.remove_prefix(1);
      const auto hours = take_digits(rest, 2, 2);
      take(rest, ":");
      const auto minutes = take_digits(rest, 2, 2);
      if (!hours) return false;
      zone = sign * (*hours * 3600 + minutes.value_or(0) * 60);
    } else if (weekday_) {
      // "Wed 2026-05-27 18:50:10 CEST node7 kernel: ": this host's zone
      std::size_t size = 0;
      while (size < after.size() &&
             ((after[size] >= 'A' && after[size] <= 'Z') || after[size] == '+' ||
              after[size] == '-' || is_digit(after[size]))) {
        ++size;
      }
      if (size >= 2 && size <= 5 && size < after.size() && after[size] == ' ') {
        after.remove_prefix(size);
        rest = after;
      }
    }
    if (!rest.empty() && rest[0] != ' ' && rest[0] != '\t') return false;
    record_.at = wall_ms(*year, *month, *day, *clock, zone);
    rest_ = rest;
    return true;
  }

  /// "1716828610.123456 " of -o short-unix
  bool take_unix() {
    auto rest = rest_;
    std::size_t size = 0;
    while (size < rest.size() && is_digit(rest[size])) ++size;
    if (size < 9 || size > 10) return false;
    std::int64_t seconds = 0;
    std::from_chars(rest.data(), rest.data() + size, seconds);
    rest.remove_prefix(size);
    if (take(rest, ".")) {
      while (!rest.empty() && is_digit(rest[0])) rest.remove_prefix(1);
    }
    if (!rest.starts_with(' ')) return false;
    record_.at = seconds * 1000;
    rest_ = rest;
    return true;
  }

  /// "May 27 16:50:10", "May  7 16:50:10.123456", "May 27 2026 16:50:10"
  bool take_month() {
    auto rest = rest_;
    const auto month = take_one_of(rest, kMonths);
    if (!month || !rest.starts_with(' ')) return false;
    skip(rest);
    const auto day = take_digits(rest, 1, 2);
    if (!day || !rest.starts_with(' ')) return false;
    skip(rest);
    auto with_year = rest;
    auto year = take_digits(with_year, 4, 4);
    if (year && with_year.starts_with(' ')) {
      skip(with_year);
      rest = with_year;
    } else {
      year.reset();
    }
    const auto clock = take_clock(rest);
    if (!clock) return false;
    auto at = wall_ms(year.value_or(this_year(now_)), *month + 1, *day, *clock, std::nullopt);
    if (!year && at > now_ + kDayMs) {
      at = wall_ms(this_year(now_) - 1, *month + 1, *day, *clock, std::nullopt);
    }
    record_.at = at;
    rest_ = rest;
    return true;
  }

  bool take_weekday() {
    auto rest = rest_;
    if (!take_one_of(rest, kDays) || !rest.starts_with(' ')) return false;
    rest_ = rest;
    weekday_ = true;
    return true;
  }

  /// "kernel:", "node7 kernel:", "node7 kernel[0]:", "node7 kernel - - - "
  bool take_kernel() {
    if (kernel_) return false;
    auto rest = rest_;
    if (!take_tag(rest)) {
      const auto space = rest.find(' ');
      if (space == std::string_view::npos || space > 253) return false;
      const auto host = rest.substr(0, space);
      const bool name = std::all_of(host.begin(), host.end(), [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
               c == '-' || c == '_' || c == ':';
      });
      rest.remove_prefix(space);
      skip(rest);
      if (!name || host.ends_with(':')) return false;
      if (!take_tag(rest)) {
        // "node7 myprogram[12]: ": another wrote it
        const auto end = rest.find(": ");
        const auto tag = rest.substr(0, std::min(end, rest.find(' ')));
        not_kernel_ = end != std::string_view::npos && tag.size() == end && end <= 64;
        return false;
      }
      record_.host = std::string(host);
    }
    rest_ = rest;
    kernel_ = true;
    return true;
  }

  static bool take_tag(std::string_view& text) {
    auto rest = text;
    if (!take(rest, "kernel")) return false;
    if (rest.starts_with('[')) {
      rest.remove_prefix(1);
      if (!take_digits(rest, 1, 7) || !take(rest, "]")) return false;
    }
    if (!take(rest, ":") && !take(rest, " - - - ") && !rest.starts_with(" [")) return false;
    take(rest, "\xef\xbb\xbf");
    text = rest;
    return true;
  }

  std::string_view rest_;
  Ms now_;
  KernelRecord& record_;
  bool weekday_ = false;
  bool kernel_ = false;
  bool not_kernel_ = false;
};

}  // namespace

KernelRecord::Kind read_prefix(std::string_view text, Ms now, KernelRecord& record) {
  return Prefix(text, now, record).read();
}

}  // namespace cardswap::health
