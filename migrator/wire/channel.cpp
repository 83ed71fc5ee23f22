#include "migrator/wire/channel.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include "migrator/core/reader.h"
#include "migrator/core/utf8.h"
#include "migrator/core/writer.h"

namespace cardswap::channel {
namespace {

using wire::WireReader;
using wire::WireWriter;

constexpr std::size_t kTextBytesMax = 64U << 10;

/// One list of fields a message, used for writing and for reading: the two cannot disagree.
/// `Archive` is Put or Take below.
template <class Archive>
void fields(Archive& a, MigrationStats& m) {
  a(m.phase, m.transferred, m.remaining, m.total, m.rounds, m.dirty_rate, m.rate,
    m.expected_downtime_ms, m.bytes_in_downtime, m.setup_time_ms, m.freeze_scan_ms,
    m.freeze_send_ms, m.freeze_verify_ms, m.median_step_ms, m.strategy, m.log_entries, m.log_bytes,
    m.log_lag_bytes, m.replay_ms, m.back_pressure_ms, m.window_wait_ms, m.hold_ms, m.compression,
    m.compression_ratio, m.card_path, m.throttle_pct, m.regions_not_replayed, m.not_replayed,
    m.freezes_put_off, m.note);
}
template <class Archive>
void fields(Archive& a, Hello& m) {
  a(m.protocol_version, m.job, m.token, m.pid, m.role, m.runtime_version, m.framework, m.epoch,
    m.migration, m.frozen, m.network);
}
template <class Archive>
void fields(Archive& a, Obstacle& m) {
  a.brief(m.what), a.brief(m.hint), a(m.always);
}
template <class Archive>
void fields(Archive& a, Tracked& m) {
  a(m.state_bytes, m.regions, m.layout, m.replayed_bytes, m.update_bytes, m.relocatable_bytes);
  a.list(m.obstacles, kObstaclesMax);
}
template <class Archive>
void fields(Archive& a, StateItem& m) {
  a.brief(m.name), a.brief(m.kind), a.brief(m.type), a.brief(m.device), a.brief(m.dtype);
  a(m.bytes, m.tensors, m.tracked);
  a.brief(m.moves), a.brief(m.changed), a.brief(m.note);
}
template <class Archive>
void fields(Archive& a, StateList& m) {
  a(m.request, m.step, m.last);
  a.list(m.items, kItemsMax);
}
template <class Archive>
void fields(Archive& a, ListState& m) {
  a(m.request);
}
template <class Archive>
void fields(Archive& a, Stepped& m) {
  a(m.step, m.median_step_ms);
}
template <class Archive>
void fields(Archive& a, Parked& m) {
  a(m.host, m.port, m.state_bytes);
}
template <class Archive>
void fields(Archive& a, SyncProgress& m) {
  a(m.migration);
  fields(a, m.stats);
}
template <class Archive>
void fields(Archive& a, Converged& m) {
  a(m.migration, m.expected_downtime_ms);
}
template <class Archive>
void fields(Archive& a, Frozen& m) {
  a(m.migration, m.step);
}
template <class Archive>
void fields(Archive& a, Verified& m) {
  a(m.migration, m.step, m.root);
  fields(a, m.stats);
}
template <class Archive>
void fields(Archive& a, Failed& m) {
  a(m.migration, m.code, m.failure, m.hint, m.lost);
}
template <class Archive>
void fields(Archive& a, Released& m) {
  a(m.migration);
}
template <class Archive>
void fields(Archive& a, Resumed& m) {
  a(m.migration, m.step, m.downtime_ms, m.clock_error_ms);
}
template <class Archive>
void fields(Archive& a, FirstStep& m) {
  a(m.migration, m.step);
}
template <class Archive>
void fields(Archive& a, Ended& m) {
  a(m.step, m.moved);
}
template <class Archive>
void fields(Archive& a, Welcome& m) {
  a(m.epoch, m.granted, m.migration, m.data_host, m.data_token, m.transports, m.data_key,
    m.data_peers);
}
template <class Archive>
void fields(Archive& a, Refused& m) {
  a(m.code, m.failure, m.hint);
}
template <class Archive>
void fields(Archive& a, BeginSync& m) {
  a(m.migration, m.host, m.port, m.token, m.strategy, m.chunk_bytes, m.bandwidth, m.max_downtime_ms,
    m.auto_converge, m.log_bytes_max, m.compression, m.transports, m.handover_ms, m.data_key,
    m.arrive, m.data_peers);
}
template <class Archive>
void fields(Archive& a, Freeze& m) {
  a(m.migration);
}
template <class Archive>
void fields(Archive& a, Release& m) {
  a(m.migration);
}
template <class Archive>
void fields(Archive& a, Retire& m) {
  a(m.migration);
}
template <class Archive>
void fields(Archive& a, Grant& m) {
  a(m.migration, m.epoch, m.root);
}
template <class Archive>
void fields(Archive& a, Depart& m) {
  a(m.migration, m.keeper, m.keeper_pid);
}
template <class Archive>
void fields(Archive& a, Departed& m) {
  a(m.migration, m.socket_inode, m.root);
}
template <class Archive>
void fields(Archive& a, Arrived& m) {
  a(m.migration, m.epoch, m.holder, m.socket, m.token, m.job, m.root);
}

template <class Enum>
constexpr std::uint8_t kLast = 0;
template <>
constexpr std::uint8_t kLast<Role> = static_cast<std::uint8_t>(Role::standby);
template <>
constexpr std::uint8_t kLast<Arrival> = static_cast<std::uint8_t>(Arrival::criu);
template <>
constexpr std::uint8_t kLast<Compression> = static_cast<std::uint8_t>(Compression::zstd);
template <>
constexpr std::uint8_t kLast<Strategy> = static_cast<std::uint8_t>(Strategy::replay);
template <>
constexpr std::uint8_t kLast<Code> = static_cast<std::uint8_t>(Code::internal);

/// Every listed item takes a byte at least.
constexpr std::size_t kItemBytesMin = 1;

struct Put {
  WireWriter& writer;

  /// Text for people: cut rather than refused.
  void brief(const std::string& value) { text(value, kItemTextBytesMax); }
  template <class Item>
  void list(std::vector<Item>& items, std::size_t most) {
    const auto count = std::min(items.size(), most);
    writer.u32(static_cast<std::uint32_t>(count));
    for (std::size_t i = 0; i < count; ++i) fields(*this, items[i]);
  }

  template <class... Field>
  void operator()(Field&... field) {
    (put(field), ...);
  }
  void put(std::uint16_t value) { writer.u16(value); }
  void put(std::uint32_t value) { writer.u32(value); }
  void put(std::uint64_t value) { writer.u64(value); }
  void put(double value) { writer.f64(std::abs(value) < 1e18 ? value : 0); }
  void put(bool value) { writer.boolean(value); }
  void put(const Digest& value) { writer.digest(value); }
  void put(const std::string& value) { text(value, kTextBytesMax); }
  /// A program's words may be cut anywhere and be in any encoding; the other side takes UTF-8.
  void text(const std::string& value, std::size_t bytes_max) {
    auto text = as_utf8(value.substr(0, bytes_max));
    std::replace(text.begin(), text.end(), '\0', '?');
    writer.string(text);
  }
  template <class Enum>
  requires std::is_enum_v<Enum>
  void put(Enum value) { writer.u8(static_cast<std::uint8_t>(value)); }
};

struct Take {
  WireReader& reader;

  void brief(std::string& value) { value = text(kItemTextBytesMax); }
  template <class Item>
  void list(std::vector<Item>& items, std::size_t most) {
    const auto count = reader.count(kItemBytesMin);
    if (count > most) throw Error(Code::bad_request, "a list is longer than allowed");
    items.resize(count);
    for (auto& item : items) fields(*this, item);
  }

  template <class... Field>
  void operator()(Field&... field) {
    (take(field), ...);
  }
  void take(std::uint16_t& value) { value = reader.u16(); }
  void take(std::uint32_t& value) { value = reader.u32(); }
  void take(std::uint64_t& value) { value = reader.u64(); }
  void take(double& value) { value = reader.f64(); }
  void take(bool& value) { value = reader.boolean(); }
  void take(Digest& value) { value = reader.digest(); }
  void take(std::string& value) { value = text(kTextBytesMax); }
  /// What is taken here stands in the journal and in JSON later, which carry nothing else.
  std::string text(std::size_t bytes_max) {
    auto value = reader.string(bytes_max);
    if (!is_utf8(value) || value.find('\0') != std::string::npos) {
      throw Error(Code::bad_request, "a text field is no UTF-8 text");
    }
    return value;
  }
  template <class Enum>
  requires std::is_enum_v<Enum>
  void take(Enum& value) {
    const auto raw = reader.u8();
    if (raw > kLast<Enum>) throw Error(Code::bad_request, "an enumeration field is out of range");
    value = static_cast<Enum>(raw);
  }
};

template <std::size_t Index = 0>
Message decode_as(std::size_t index, WireReader& reader) {
  if constexpr (Index == std::variant_size_v<Message>) {
    throw Error(Code::bad_request, "unknown message number on the runtime's socket");
  } else {
    if (index != Index) return decode_as<Index + 1>(index, reader);
    std::variant_alternative_t<Index, Message> message;
    Take take{reader};
    fields(take, message);
    reader.finish();
    return message;
  }
}

}  // namespace

std::vector<std::byte> encode(const Message& message) {
  WireWriter body;
  body.u16(static_cast<std::uint16_t>(message.index() + 1));
  std::visit(
      [&](auto copy) {
        Put put{body};
        fields(put, copy);
      },
      message);
  WireWriter frame;
  frame.blob(body.bytes());
  return std::move(frame).take();
}

Message decode(std::span<const std::byte> body) {
  WireReader reader(body);
  const std::size_t number = reader.u16();
  if (number == 0) throw Error(Code::bad_request, "unknown message number on the runtime's socket");
  return decode_as(number - 1, reader);
}

}  // namespace cardswap::channel
