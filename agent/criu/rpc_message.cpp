#include "agent/criu/rpc_message.h"

#include <deque>
#include <optional>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap::criu {
namespace {

enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// One message; a nested one is written like a string.
class MessageWriter {
 public:
  MessageWriter& number(unsigned field, std::uint64_t value) {
    key(field, Wire::varint);
    varint(value);
    return *this;
  }
  /// Negative int32 values take ten bytes, sign extended.
  MessageWriter& signed_number(unsigned field, std::int64_t value) {
    return number(field, static_cast<std::uint64_t>(value));
  }
  MessageWriter& flag(unsigned field, bool value) { return value ? number(field, 1) : *this; }
  MessageWriter& bytes(unsigned field, std::span<const std::byte> value) {
    key(field, Wire::bytes);
    varint(value.size());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }
  MessageWriter& text(unsigned field, std::string_view value) {
    return bytes(field, std::as_bytes(std::span(value)));
  }
  MessageWriter& message(unsigned field, const MessageWriter& value) {
    return bytes(field, value.bytes_);
  }
  [[nodiscard]] std::vector<std::byte> take() && { return std::move(bytes_); }

 private:
  void key(unsigned field, Wire wire) { varint(field << 3U | static_cast<unsigned>(wire)); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) bytes_.push_back(static_cast<std::byte>(value | 0x80));
    bytes_.push_back(static_cast<std::byte>(value));
  }

  std::vector<std::byte> bytes_;
};

/// The fields of one message, one after the other.
class MessageReader {
 public:
  explicit MessageReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  struct Field {
    std::uint64_t number = 0;
    std::uint64_t value = 0;
    std::span<const std::byte> bytes;
  };
  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const auto key = varint();
    Field field;
    field.number = key >> 3U;
    switch (static_cast<Wire>(key & 7U)) {
      case Wire::varint: field.value = varint(); break;
      case Wire::bytes: field.bytes = take(varint()); break;
      case Wire::fixed64: (void)take(8); break;
      case Wire::fixed32: (void)take(4); break;
      default: throw Error(Code::corrupt, "CRIU's answer has a field of an unknown kind");
    }
    return field;
  }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return value;
    }
    throw Error(Code::corrupt, "CRIU's answer has a number that does not end");
  }
  std::span<const std::byte> take(std::uint64_t size) {
    if (size > rest_.size()) throw Error(Code::corrupt, "CRIU's answer ends too early");
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  std::span<const std::byte> rest_;
};

/// The number as CRIU's own field holds it. Protocol buffers send a negative one as 64 bits, too.
template <class Field>
Field number_in(std::uint64_t value) {
  const auto number = static_cast<std::int64_t>(value);
  if (!std::in_range<Field>(number)) {
    throw Error(Code::corrupt, "CRIU's answer has a number that its field cannot hold");
  }
  return static_cast<Field>(number);
}

std::string text_in(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

constexpr std::uint64_t kNetworkLockSkip = 3;  // no connection is kept, so there is nothing to hold
constexpr std::uint64_t kCgroupsIgnore = 0;
constexpr std::uint64_t kLogLevel = 4;
constexpr std::size_t kErrorLinesMax = 4;

}  // namespace

std::vector<std::byte> encode(Call call, const Options& options) {
  MessageWriter opts;
  // The images are named by their path: a descriptor's number would be looked up in the folder of
  // the process that made the socket, which another PID namespace may not have.
  opts.signed_number(1, -1);
  if (options.pid != 0) opts.signed_number(2, options.pid);
  opts.flag(8, true);  // file_locks
  opts.number(9, kLogLevel);
  opts.text(10, options.log_file);
  opts.flag(12, options.notify);
  opts.flag(26, options.rst_sibling);
  for (const auto& inherited : options.inherit) {
    MessageWriter item;
    item.text(1, inherited.key).signed_number(2, inherited.fd);
    opts.message(27, item);
  }
  opts.number(34, kCgroupsIgnore);
  for (const auto& external : options.external) opts.text(37, external);
  opts.number(45, options.timeout_s);
  opts.flag(52, true);  // tcp_close
  opts.number(64, kNetworkLockSkip);
  opts.text(68, options.images_dir);
  opts.flag(69, options.leave_stopped);
  MessageWriter request;
  request.number(1, static_cast<std::uint64_t>(call)).message(2, opts);
  return std::move(request).take();
}

std::vector<std::byte> encode_go_on() {
  MessageWriter request;
  request.number(1, static_cast<std::uint64_t>(Call::notify)).flag(3, true);
  return std::move(request).take();
}

Response decode_response(std::span<const std::byte> bytes) {
  Response response;
  MessageReader fields(bytes);
  while (const auto field = fields.next()) {
    switch (field->number) {
      case 1: response.call = Call{number_in<std::uint8_t>(field->value)}; break;
      case 2: response.success = field->value != 0; break;
      case 4: {
        MessageReader restore(field->bytes);
        while (const auto inner = restore.next()) {
          if (inner->number == 1) response.restored_pid = number_in<int>(inner->value);
        }
        break;
      }
      case 5: {
        MessageReader notify(field->bytes);
        while (const auto inner = notify.next()) {
          if (inner->number == 1) response.stage = text_in(inner->bytes);
        }
        break;
      }
      case 7: response.error_number = number_in<int>(field->value); break;
      case 9: response.message = text_in(field->bytes); break;
      default: break;
    }
  }
  return response;
}

std::string errors_in_log(std::string_view log) {
  std::deque<std::string> found;
  while (!log.empty()) {
    const auto end = log.find('\n');
    auto line = log.substr(0, end);
    log.remove_prefix(end == std::string_view::npos ? log.size() : end + 1);
    const auto error = line.find("Error (");
    if (error == std::string_view::npos) continue;
    const auto said = line.find("): ", error);
    if (said == std::string_view::npos) continue;
    line.remove_prefix(said + 3);
    // How big a file is and who may open it is told to nobody who names it.
    const auto whole = line.size();
    for (const auto* fact : {" has bad mode ", " has bad size "}) {
      line = line.substr(0, line.find(fact));
    }
    const bool is_another = line.size() < whole;
    if (line.starts_with("rlimit: ")) continue;  // said where a container allows no more files
    found.emplace_back(line);
    if (is_another) found.back() += " is another one here, or was changed";
    if (found.size() > kErrorLinesMax) found.pop_front();
  }
  std::string text;
  for (const auto& line : found) text += (text.empty() ? "" : "; ") + line;
  return text;
}

}  // namespace cardswap::criu
