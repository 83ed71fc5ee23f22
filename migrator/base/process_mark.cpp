#include "migrator/base/process_mark.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <optional>

#include "migrator/base/error.h"
#include "migrator/base/process_stat.h"

namespace cardswap {
namespace {

constexpr std::size_t kPlaceDigits = 16;
constexpr std::uint64_t kFnvOffset = 14'695'981'039'346'656'037U;
constexpr std::uint64_t kFnvPrime = 1'099'511'628'211U;

/// The number of a namespace of this process; 0: the kernel has none of that kind.
std::uint64_t number_of_namespace(const char* path) {
  struct stat status {};
  return ::stat(path, &status) == 0 ? std::uint64_t{status.st_ino} : 0;
}

/// Where pids of this process count: 16 digits. Empty: not known.
std::string place_of_this_process() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  const auto pids = number_of_namespace("/proc/self/ns/pid");
  if (boot.empty() || pids == 0) return {};
  std::uint64_t hash = kFnvOffset;
  for (const char c :
       fmt::format("{} {} {}", boot, pids, number_of_namespace("/proc/self/ns/time"))) {
    hash = (hash ^ static_cast<unsigned char>(c)) * kFnvPrime;
  }
  return fmt::format("{:016x}", hash);
}

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number value{};
  const auto* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc{} || end != last) return std::nullopt;
  return value;
}

/// Nullopt: it cannot be read now, or is hidden from this user; the process may live.
std::optional<ProcessStat> readable_stat_of(pid_t pid) {
  try {
    return process_stat_of(pid);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

std::string mark_of_this_process() {
  const auto place = place_of_this_process();
  const auto stat = readable_stat_of(::getpid());
  if (place.empty() || !stat) return {};
  return fmt::format("{}-{}-{}", place, ::getpid(), stat->start_time);
}

bool has_ended_for_certain(std::string_view mark) {
  const auto place = mark.substr(0, mark.find('-'));
  if (place.size() != kPlaceDigits || place.size() == mark.size()) return false;
  if (place != place_of_this_process()) return false;
  const auto numbers = mark.substr(kPlaceDigits + 1);
  const auto dash = numbers.find('-');
  if (dash == std::string_view::npos) return false;
  const auto pid = whole_number<pid_t>(numbers.substr(0, dash));
  const auto start_time = whole_number<std::uint64_t>(numbers.substr(dash + 1));
  if (!pid || *pid <= 0 || !start_time) return false;
  // /proc may hide the processes of others; a signal tells those from what is not there.
  if (::kill(*pid, 0) != 0 && errno == ESRCH) return true;
  const auto stat = readable_stat_of(*pid);
  return stat && (stat->start_time != *start_time || stat->state == 'Z');
}

}  // namespace cardswap
