#include "agent/handover/target/reservation.h"

#include <boost/json.hpp>

namespace cardswap {

namespace json = boost::json;

Reservation::Reservation(ReservationRecord record)
    : last_contact_at(std::chrono::steady_clock::now()),
      keeper_heard_at(last_contact_at),
      record_(std::move(record)) {}

Reservation Reservation::left_by_a_former_agent(ReservationRecord record) {
  Reservation left(std::move(record));
  left.arrived = left.record_.arrive == ArrivalMode::criu;
  return left;
}

void Reservation::forget_its_start() {
  spec.reset();
  allowed_addresses = {};
  framework = {};
  source_gpus = {};
}

bool is_keeper_silent(const Reservation& r, std::chrono::steady_clock::time_point now) {
  const bool writes = !r.record().store.empty() && r.state() == handover::TargetState::verified;
  return writes && now - r.keeper_heard_at > kKeeperSilenceMax;
}

json::object to_source_json(const Reservation& r) {
  auto all = to_json(r.record());
  all["data_token"] = r.record().data_token;
  all["data_key"] = r.data_key;
  all["image_token"] = r.image_token;
  all["image_key"] = r.image_key;
  return all;
}

}  // namespace cardswap
