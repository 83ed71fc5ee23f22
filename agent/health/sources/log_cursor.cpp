#include "agent/health/sources/log_cursor.h"

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

json::object to_json(const LogCursor& cursor) {
  return {{"boot", cursor.boot},   {"at_ms", cursor.at},      {"sequence", cursor.sequence},
          {"inode", cursor.inode}, {"offset", cursor.offset}, {"tail", cursor.tail}};
}

std::optional<LogCursor> cursor_from(const json::object& record) {
  if (!record.contains("boot")) return std::nullopt;
  LogCursor cursor;
  cursor.boot = text_at(record, "boot");
  cursor.at = static_cast<Ms>(number_at<std::uint64_t>(record, "at_ms"));
  cursor.sequence = number_at<std::uint64_t>(record, "sequence");
  cursor.inode = number_at<std::uint64_t>(record, "inode");
  cursor.offset = number_at<std::uint64_t>(record, "offset");
  cursor.tail = text_at(record, "tail");
  return cursor;
}

std::string tail_of(int fd, std::uint64_t offset) {
  std::array<char, LogCursor::kTailBytes> bytes{};
  const auto size = std::min<std::uint64_t>(offset, bytes.size());
  const auto got = ::pread(fd, bytes.data(), size, static_cast<off_t>(offset - size));
  if (got != static_cast<ssize_t>(size)) return {};
  return fmt::format("{:016x}", XXH3_64bits(bytes.data(), size));
}

}  // namespace cardswap::health
