#include "agent/handover/target/reservation.h"

#include <boost/json.hpp>

namespace cardswap {

namespace json = boost::json;

Reservation::Reservation(ReservationRecord record)
    // What outlives its agent is the process itself: one that CRIU had not restored yet is ended.
    : arrived(record.arrive == Arrival::criu),
      last_contact_at(std::chrono::steady_clock::now()),
      record_(std::move(record)) {}

void Reservation::forget_its_start() {
  spec.reset();
  data_peers = {};
  framework = {};
  source_gpus = {};
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
