#include "agent/health/log_cursor.h"

#include <fmt/format.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "agent/base/json_fields.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;

}  // namespace

json::object to_json(const LogCursor& place) {
  return {{"boot", place.boot},   {"at_ms", place.at},      {"sequence", place.sequence},
          {"inode", place.inode}, {"offset", place.offset}, {"tail", place.tail}};
}

std::optional<LogCursor> cursor_from(const json::object& record) {
  if (!record.contains("boot")) return std::nullopt;
  LogCursor place;
  place.boot = text_at(record, "boot");
  place.at = static_cast<Ms>(number_at<std::uint64_t>(record, "at_ms"));
  place.sequence = number_at<std::uint64_t>(record, "sequence");
  place.inode = number_at<std::uint64_t>(record, "inode");
  place.offset = number_at<std::uint64_t>(record, "offset");
  place.tail = text_at(record, "tail");
  return place;
}

std::string tail_of(int fd, std::uint64_t offset) {
  std::array<char, LogCursor::kTailBytes> bytes{};
  const auto size = std::min<std::uint64_t>(offset, bytes.size());
  const auto got = ::pread(fd, bytes.data(), size, static_cast<off_t>(offset - size));
  if (got != static_cast<ssize_t>(size)) return {};
  return fmt::format("{:016x}", XXH3_64bits(bytes.data(), size));
}

}  // namespace cardswap::health
