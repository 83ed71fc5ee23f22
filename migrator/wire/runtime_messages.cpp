#include "migrator/wire/runtime_messages.h"

#include "migrator/wire/archive.h"

namespace cardswap::channel {

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Hello>& m) {
  a(m.protocol_version, m.job, m.token, m.pid, m.role, m.runtime_version, m.framework, m.epoch,
    m.migration, m.frozen, m.network, m.rank, m.ranks);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Obstacle>& m) {
  a.brief(m.what);
  a.brief(m.hint);
  a(m.always);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Tracked>& m) {
  a(m.state_bytes, m.regions, m.layout, m.replayed_bytes, m.update_bytes, m.relocatable_bytes);
  a.brief_list(m.obstacles, kObstaclesMax);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, StateItem>& m) {
  for (auto* text : {&m.name, &m.kind, &m.type, &m.device, &m.dtype}) a.brief(*text);
  a(m.bytes, m.tensors, m.tracked);
  for (auto* text : {&m.moves, &m.changed, &m.note}) a.brief(*text);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, StateList>& m) {
  a(m.request, m.step, m.page, m.last);
  a.brief_list(m.items, kItemsMax);
  a.brief(m.refusal);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, ListState>& m) {
  a(m.request);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, LateSteps>& m) {
  a(m.migration, m.lateness, m.open_ms, m.after, m.over);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, FirstSteps>& m) {
  a(m.migration);
  a.list(m.took_ms, kStepsAfter, sizeof(double));
  a(m.over);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, TimeSteps>& m) {
  a(m.migration);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Stored>& m) {
  a(m.migration, m.number, m.manifest, m.new_bytes, m.written_bytes);
  a.brief_at_end(m.tag_error);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Stepped>& m) {
  a(m.step, m.median_step_ms);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Parked>& m) {
  a(m.host, m.port, m.state_bytes);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, SyncProgress>& m) {
  a(m.migration, m.stats);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Converged>& m) {
  a(m.migration, m.expected_downtime_ms);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Frozen>& m) {
  a(m.migration, m.step, m.trains_on);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Verified>& m) {
  a(m.migration, m.step, m.state_digest, m.stats);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Failed>& m) {
  a(m.migration, m.code, m.failure, m.hint, m.lost);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Released>& m) {
  a(m.migration);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Resumed>& m) {
  a(m.migration, m.step, m.downtime_ms, m.clock_error_ms);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, FirstStep>& m) {
  a(m.migration, m.step);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Ended>& m) {
  a(m.step, m.moved);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, GangPlace>& m) {
  a(m.gang, m.epoch, m.rank, m.ranks, m.rendezvous);
  a.list(m.moved, kRanksMax, sizeof(std::uint32_t));
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, RankPlace>& m) {
  a(m.rank, m.ranks);
  a.list(m.agents, kRanksMax, sizeof(std::uint32_t));
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Welcome>& m) {
  a(m.epoch, m.granted, m.migration, m.data_host, m.data_token, m.transports, m.data_key,
    m.allowed_addresses, m.hold_at, m.again_until, m.agent_address, m.gang);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Refused>& m) {
  a(m.code, m.failure, m.hint);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, BeginSync>& m) {
  a(m.migration, m.host, m.port, m.token, m.spec, m.transports, m.handover_ms, m.data_key,
    m.allowed_addresses, m.of_gang);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Freeze>& m) {
  a(m.migration);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Release>& m) {
  a(m.migration);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Retire>& m) {
  a(m.migration);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Grant>& m) {
  a(m.migration, m.epoch, m.state_digest);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Depart>& m) {
  a(m.migration, m.custodian, m.custodian_pid);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Departed>& m) {
  a(m.migration, m.socket_inode, m.state_digest);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Arrived>& m) {
  a(m.migration, m.epoch, m.holder, m.socket, m.token, m.job, m.state_digest);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, BuildNext>& m) {
  a(m.gang, m.epoch, m.rendezvous, m.ranks);
  a.list(m.moved, kRanksMax, sizeof(std::uint32_t));
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, CommunicatorsTook>& m) {
  a(m.gang, m.build_ms, m.try_ms, m.exchange_ms);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, NextBuilt>& m) {
  a(m.gang, m.earliest);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Arm>& m) {
  a(m.gang, m.step);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Armed>& m) {
  a(m.gang, m.step);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Late>& m) {
  a(m.gang, m.earliest);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Reached>& m) {
  a(m.gang, m.step);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Check>& m) {
  a(m.gang);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Checked>& m) {
  a(m.gang, m.step, m.state_digest);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, CheckFailed>& m) {
  a(m.gang, m.code, m.failure, m.hint);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, SwitchOver>& m) {
  a(m.gang, m.epoch);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, CloseOld>& m) {
  a(m.gang);
}

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Held>& m) {
  a(m.step, m.state_digest);
  a.brief(m.failure);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, HoldAt>& m) {
  a(m.step);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Logged>& m) {
  a(m.order, m.from, m.to, m.behind, m.dropped, m.dropped_step, m.unproven, m.kept_bytes,
    m.waited_ms);
  a.brief(m.failure);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, KeepLog>& m) {
  a(m.mode, m.store, m.run, m.branch, m.window_steps, m.window_bytes, m.base_step);
}

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Follow>& m) {
  a(m.protocol_version, m.job, m.token, m.rank);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Followed>& m) {
  a(m.state, m.number, m.at);
  a.brief(m.note);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Deliver>& m) {
  a(m.signal);
}

namespace {

constexpr wire::TextRule kTexts{64U << 10, kItemTextBytesMax, true};
constexpr auto kUnknown = "unknown message number on the runtime's socket";

}  // namespace

std::vector<std::byte> encode(const Message& message) {
  wire::WireWriter body;
  body.u16(static_cast<std::uint16_t>(message.index() + 1));
  wire::put_fields(body, kTexts, message);
  wire::WireWriter frame;
  frame.blob(body.bytes());
  return std::move(frame).take();
}

Message decode(std::span<const std::byte> body) {
  wire::WireReader reader(body);
  const std::size_t number = reader.u16();
  return wire::read_numbered<Message>(reader, kTexts, number, kUnknown);
}

}  // namespace cardswap::channel
