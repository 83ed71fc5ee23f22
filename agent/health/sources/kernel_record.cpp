#include "agent/health/sources/kernel_record.h"

#include <boost/json.hpp>
#include <utility>

#include "agent/health/sources/kernel_prefix.h"
#include "agent/health/sources/text_cursor.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;

constexpr std::string_view kDriver = "NVRM:";

/// "4,1234,98765,-" before the semicolon.
bool take_kmsg_head(std::string_view head, KernelRecord& record) {
  const auto priority = take_number<unsigned>(head);
  if (!priority || !take(head, ",")) return false;
  record.sequence = take_number<std::uint64_t>(head);
  record.kind = *priority < 8 ? KernelRecord::Kind::message : KernelRecord::Kind::not_kernel;
  return true;
}

KernelRecord from_json(std::string_view line) {
  boost::system::error_code error;
  json::parse_options how;
  how.allow_invalid_utf8 = true;
  const auto value = json::parse(json::string_view(line.data(), line.size()), error, {}, how);
  KernelRecord record;
  record.kind = KernelRecord::Kind::unknown_form;
  if (error || !value.is_object()) return record;
  JournalFields fields;
  for (const auto& item : value.get_object()) {
    if (item.value().is_string()) {
      fields.take(std::string_view(item.key()), std::string_view(item.value().get_string()));
    } else if (item.value().is_array()) {  // bytes that are no UTF-8
      std::string bytes;
      for (const auto& byte : item.value().get_array()) {
        if (!byte.is_int64() || !std::in_range<unsigned char>(byte.get_int64())) continue;
        bytes += static_cast<char>(static_cast<unsigned char>(byte.get_int64()));
      }
      fields.take(std::string_view(item.key()), bytes);
    }
  }
  return fields.record();
}

}  // namespace

void JournalFields::take(std::string_view name, std::string_view value) {
  if (name == "MESSAGE") message = value;
  if (name == "_TRANSPORT") transport = value;
  if (name == "SYSLOG_FACILITY") facility = value;
  if (name == "SYSLOG_IDENTIFIER") identifier = value;
  if (name == "_HOSTNAME") host = value;
  if (name == "_BOOT_ID") boot = value;
  if (name == "__REALTIME_TIMESTAMP") realtime_us = value;
}

KernelRecord JournalFields::record() const {
  KernelRecord record;
  if (!message.starts_with(kDriver)) return record;
  const bool by_kernel =
      transport == "kernel" && (facility.empty() ? identifier == "kernel" : facility == "0");
  record.kind = by_kernel ? KernelRecord::Kind::message : KernelRecord::Kind::not_kernel;
  record.text = message;
  record.host = host;
  record.boot = boot;
  std::string_view us = realtime_us;
  if (const auto at = take_number<std::int64_t>(us)) record.at = *at / 1000;
  return record;
}

std::optional<std::uint64_t> kmsg_sequence(std::string_view record) {
  KernelRecord read;
  if (!take_kmsg_head(record.substr(0, record.find(';')), read)) return std::nullopt;
  return read.sequence;
}

KernelRecord record_of(std::string_view line, LogForm form, Ms now) {
  KernelRecord record;
  if (line.ends_with('\r')) line.remove_suffix(1);
  const auto driver = line.find(kDriver);
  if (driver == std::string_view::npos) return record;
  const auto semicolon = line.find(';');
  const bool numbered = semicolon < driver && is_digit(line[0]);
  if (numbered && take_kmsg_head(line.substr(0, semicolon), record)) {
    // Further lines of a record are its key-value pairs.
    record.text = line.substr(semicolon + 1, line.find('\n') - semicolon - 1);
    if (!record.text.starts_with(kDriver)) record.kind = KernelRecord::Kind::nothing;
    return record;
  }
  if (form == LogForm::kmsg) {
    record.kind =
        line.starts_with(' ') ? KernelRecord::Kind::nothing : KernelRecord::Kind::unknown_form;
    return record;
  }
  take(line, "\x1e");
  take(line, "data: ");
  if (line.starts_with('{')) return from_json(line);
  record.kind = read_prefix(line.substr(0, line.find(kDriver)), now, record);
  record.text = line.substr(line.find(kDriver));
  record.text = record.text.substr(0, record.text.find('\n'));
  return record;
}

}  // namespace cardswap::health
