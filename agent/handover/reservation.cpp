#include "agent/handover/reservation.h"

#include <boost/json.hpp>

#include "agent/handover/answers.h"
#include "agent/http/client.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

/// Empty until the standby holds the whole state.
std::string root_of(const handover::Content& content) {
  return content.root == Digest{} ? std::string() : to_string(content.root);
}

}  // namespace

void Reservation::drop_what_its_end_does_not_need() {
  spec.reset();
  data_peers = {};
  addresses = {};
  framework = {};
  source_gpus = {};
}

json::object to_json(const Reservation& r) {
  json::array addresses;
  for (const auto& address : r.addresses) addresses.emplace_back(address);
  return {{"migration", r.migration},
          {"version", r.version},
          {"state", to_string(r.side.state())},
          {"data_host", r.data_host},
          {"data_port", r.data_port},
          {"data_token", r.data_token},
          {"data_key", r.data_key},
          {"addresses", std::move(addresses)},
          {"root", root_of(r.side.record().content)},
          {"epoch", r.side.record().epoch},
          {"step", r.side.record().content.step},
          {"image_host", r.image_host},
          {"image_port", r.image_port},
          {"image_token", r.image_token},
          {"image_key", r.image_key},
          {"restore_ms", r.restore_ms},
          {"driver_resume_ms", r.driver_resume_ms},
          {"verify_ms", r.verify_ms},
          {"downtime_ms", r.downtime_ms},
          {"clock_error_ms", r.clock_error_ms},
          {"in_doubt", r.in_doubt},
          {"open", r.side.record().open},
          {"copy", r.copy.empty() ? json::value(nullptr) : json::value(r.copy)},
          {"forced", r.forced.empty() ? json::value(nullptr) : json::value(r.forced)},
          {"warning", r.warning.empty() ? json::value(nullptr) : json::value(r.warning)},
          {"error", r.error ? http::to_json(*r.error) : json::value(nullptr)}};
}

json::object to_journal(const Reservation& r) {
  auto record = to_json(r);
  record["job"] = r.job;
  record["instance"] = r.instance;
  record["from"] = r.from;
  record["from_api"] = r.from_api;
  record["owner"] = r.owner;
  record["ended_at_ms"] = r.ended_at_ms;
  for (const auto* secret : {"data_key", "image_key", "image_token"}) record.erase(secret);
  return record;
}

Reservation reservation_from_journal(const json::object& record) {
  Reservation r;
  r.migration = text_at(record, "migration");
  r.job = text_at(record, "job");
  r.instance = text_at(record, "instance");
  r.from = text_at(record, "from");
  r.from_api = text_at(record, "from_api");
  r.owner = text_at(record, "owner");
  r.data_token = text_at(record, "data_token");
  r.version = record.at("version").to_number<std::uint64_t>() + 1;
  r.side = handover::TargetSide(
      {handover::target_state_from_string(text_at(record, "state"))
           .value_or(handover::TargetState::failed),
       record.at("epoch").to_number<std::uint64_t>(),
       content_from(text_at(record, "root"), record.at("step").to_number<std::uint64_t>()),
       record.if_contains("open") != nullptr && record.at("open") == true});
  r.forced = text_at(record, "forced");
  r.ended_at_ms = static_cast<std::int64_t>(number_at(record, "ended_at_ms"));
  r.warning = text_at(record, "warning");
  r.downtime_ms = record.at("downtime_ms").to_number<double>();
  r.clock_error_ms = record.at("clock_error_ms").to_number<double>();
  if (record.at("error").is_object()) r.error = http::error_from_json(record.at("error"));
  r.heard_at = Clock::now();
  return r;
}

}  // namespace cardswap
