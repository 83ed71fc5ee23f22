#include "agent/health/log_place.h"

#include <fmt/format.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <fstream>
#include <sstream>

namespace cardswap::health {
namespace {

namespace json = boost::json;

std::string text_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::uint64_t number_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  if (value == nullptr) return 0;
  if (value->is_uint64()) return value->get_uint64();
  return value->is_int64() && value->get_int64() > 0
             ? static_cast<std::uint64_t>(value->get_int64())
             : 0;
}

}  // namespace

json::object to_json(const LogPlace& place) {
  return {{"boot", place.boot},   {"at_ms", place.at},      {"sequence", place.sequence},
          {"inode", place.inode}, {"offset", place.offset}, {"tail", place.tail}};
}

std::optional<LogPlace> place_from(const json::object& record) {
  if (!record.contains("boot")) return std::nullopt;
  LogPlace place;
  place.boot = text_at(record, "boot");
  place.at = static_cast<Ms>(number_at(record, "at_ms"));
  place.sequence = number_at(record, "sequence");
  place.inode = number_at(record, "inode");
  place.offset = number_at(record, "offset");
  place.tail = text_at(record, "tail");
  return place;
}

std::string tail_of(int fd, std::uint64_t offset) {
  std::array<char, LogPlace::kTailBytes> bytes{};
  const auto size = std::min<std::uint64_t>(offset, bytes.size());
  const auto got = ::pread(fd, bytes.data(), size, static_cast<off_t>(offset - size));
  if (got != static_cast<ssize_t>(size)) return {};
  return fmt::format("{:016x}", XXH3_64bits(bytes.data(), size));
}

std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

Ms boot_time() {
  std::ifstream stat("/proc/stat");
  for (std::string line; std::getline(stat, line);) {
    std::istringstream words(line);
    std::string name;
    Ms seconds = 0;
    if (words >> name >> seconds && name == "btime") return seconds * 1000;
  }
  return 0;
}

}  // namespace cardswap::health
