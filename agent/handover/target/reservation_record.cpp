#include "agent/handover/target/reservation_record.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/base/json_archive.h"
#include "agent/base/state_digest_json.h"
#include "agent/handover/base/peer_answers.h"
#include "agent/http/client.h"
#include "migrator/base/named.h"

namespace cardswap {
namespace {

namespace json = boost::json;

/// Empty until the standby holds the whole state.
std::string state_digest_of(const handover::Content& content) {
  return content.state_digest == Digest{} ? std::string() : to_string(content.state_digest);
}

/// A number on which the decision depends: there is no default for it.
std::uint64_t required_number(const json::object& record, std::string_view key) {
  std::uint64_t number = 0;
  if (!read_recorded(record, key, number)) {
    throw Error(Code::corrupt, fmt::format("its field '{}' cannot be read", key));
  }
  return number;
}

handover::Content recorded_content(const json::object& record) {
  const auto step = required_number(record, "step");
  try {
    return content_from(state_digest_at(record), step);
  } catch (const Error&) {
    throw Error(Code::corrupt, "its state digest is no digest");
  }
}

}  // namespace

/// What the API and the journal both have.
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, ReservationRecord>& m) {
  a("migration", m.migration);
  a("version", m.version);
  a("restore_ms", m.restore_ms);
  a("driver_resume_ms", m.driver_resume_ms);
  a("verify_ms", m.verify_ms);
  a("downtime_ms", m.downtime_ms);
  a("clock_error_ms", m.clock_error_ms);
  a("first_steps_over", m.first_steps_over);
  a.known("forced", m.forced);
  a.known("warning", m.warning);
  fields(a, m.stored);
}

namespace {

/// What the journal alone has: nobody's business, or of no use while it runs.
template <class Archive>
void journal_fields(Archive& a, FieldsOf<Archive, ReservationRecord>& m) {
  a("job", m.job);
  a("data_token", m.data_token);
  a("instance", m.instance);
  a("from", m.from);
  a("from_api", m.from_api);
  a("owner", m.owner);
  a("arrive", m.arrive);
  a.optional("store", m.store);
  a("ended_at_ms", m.ended_at_ms);
}

}  // namespace

json::object to_json(const ReservationRecord& r) {
  json::array addresses;
  for (const auto& address : r.addresses) addresses.emplace_back(address);
  json::object all;
  put_fields(all, r);
  const auto& record = r.side.durable();
  all["state"] = to_string(r.side.state());
  all["epoch"] = record.epoch;
  put_state_digest(all, json::value(state_digest_of(record.content)));
  all["step"] = record.content.step;
  all["open"] = record.notice_pending;
  all["first_steps"] = json::array(r.first_steps.begin(), r.first_steps.end());
  all["data_host"] = r.data_host;
  all["data_port"] = r.data_port;
  all["addresses"] = std::move(addresses);
  all["image_host"] = r.image_host;
  all["image_port"] = r.image_port;
  all["in_doubt"] = r.in_doubt;
  all["copy"] = r.copy ? json::value(to_string(*r.copy)) : json::value(nullptr);
  all["error"] = r.error ? http::to_json(*r.error) : json::value(nullptr);
  return all;
}

json::object to_journal(const ReservationRecord& r) {
  auto record = to_json(r);
  JsonFieldWriter out(record);
  journal_fields(out, r);
  return record;
}

ReservationRecord reservation_from_journal(const json::object& record) {
  ReservationRecord r;
  read_fields(record, r);
  JsonFieldReader in(record);
  journal_fields(in, r);
  for (const auto& took_ms : array_at(record, "first_steps")) {
    if (took_ms.is_number() && r.first_steps.size() < kStepsAfter) {
      r.first_steps.push_back(took_ms.to_number<double>());
    }
  }
  ++r.version;
  // No state stands for one that cannot be read: `failed` would prove to the source that nothing
  // steps here.
  const auto state = named<handover::TargetState>(text_at(record, "state"));
  if (!state) throw Error(Code::corrupt, "its state cannot be read");
  r.side = handover::TargetSide({*state, required_number(record, "epoch"), recorded_content(record),
                                 flag_at(record, "open"), !r.store.empty()});
  const auto* error = record.if_contains("error");
  if (error != nullptr && error->is_object()) r.error = http::error_from_json(*error);
  return r;
}

}  // namespace cardswap
