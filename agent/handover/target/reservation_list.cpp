#include "agent/handover/target/reservation_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/base/units.h"
#include "agent/handover/base/retention.h"

namespace cardswap {

using handover::TargetState;

namespace {

void drop(std::unordered_map<std::string, Reservation*>& index, const std::string& key,
          const Reservation& r) {
  if (const auto found = index.find(key); found != index.end() && found->second == &r) {
    index.erase(found);
  }
}

}  // namespace

ReservationList::ReservationList(asio::io_context& context, const Config& config, Journal& journal,
                                 Callbacks callbacks)
    : config_(config), journal_(journal), callbacks_(std::move(callbacks)), changed_(context) {}

void ReservationList::load() {
  journal_.each(Journal::Kind::reservation, [this](const boost::json::object& record) {
    (void)add(Reservation(reservation_from_journal(record)));
  });
}

Reservation& ReservationList::add(Reservation made) {
  auto& r = reservations_.emplace_back(std::move(made));
  by_migration_.emplace(r.migration, &r);
  if (!r.instance.empty()) by_instance_.emplace(r.instance, &r);
  return r;
}

void ReservationList::remove(const Reservation& r) {
  drop_from_indices(r);
  reservations_.remove_if([&](const Reservation& one) { return &one == &r; });
}

void ReservationList::set_instance(Reservation& r, const std::string& instance) {
  drop(by_instance_, r.instance, r);
  r.instance = instance;
  by_instance_.emplace(instance, &r);
}

void ReservationList::drop_from_indices(const Reservation& r) {
  drop(by_migration_, r.migration, r);
  drop(by_instance_, r.instance, r);
}

bool ReservationList::has(const std::string& migration) const {
  return by_migration_.contains(migration);
}

Reservation& ReservationList::found(const std::string& migration) const {
  if (const auto found = by_migration_.find(migration); found != by_migration_.end()) {
    return *found->second;
  }
  throw Error(Code::not_found,
              fmt::format("{} holds nothing for migration {}", config_.host_name, migration));
}

const Reservation& ReservationList::at(const std::string& migration, const Caller& caller) const {
  const auto& r = at(migration);
  if (caller.owner || r.owner.empty() || r.owner == caller.name) return r;
  spdlog::warn("migration {}: {} asks about what {} has reserved", migration, caller.name, r.owner);
  throw Error(Code::not_found,
              fmt::format("{} holds nothing for migration {}", config_.host_name, migration),
              "only the agent that reserved a place, by its certificate's name, may ask about it");
}

Reservation* ReservationList::find(const Instance& instance) {
  const auto found = by_instance_.find(instance.id);
  return found == by_instance_.end() ? nullptr : found->second;
}
const Reservation* ReservationList::find(const Instance& instance) const {
  const auto found = by_instance_.find(instance.id);
  return found == by_instance_.end() ? nullptr : found->second;
}

void ReservationList::save(const ReservationRecord& r) {
  journal_.put(Journal::Kind::reservation, r.migration, to_journal(r));
}

void ReservationList::touch(Reservation& r) {
  ++r.version;
  changed_.notify();
}

void ReservationList::forget_old() {
  std::vector<std::int64_t> ended;
  std::vector<std::string_view> makers;
  for (const auto& r : reservations_) {
    const bool needed =
        !is_over(r.side.state()) || r.side.record().notice_pending || callbacks_.is_in_use(r);
    // One of a release that kept no times is as old as can be.
    ended.push_back(needed ? 0 : std::max<std::int64_t>(r.ended_at_ms, 1));
    makers.push_back(r.side.state() == TargetState::failed ? r.owner : std::string_view());
  }
  std::size_t place = 0;
  auto r = reservations_.begin();
  for (const auto forgotten : to_forget(ended, makers, unix_ms())) {
    std::advance(r, forgotten - place);
    try {
      journal_.remove(Journal::Kind::reservation, r->migration);
    } catch (const Error& disk) {
      spdlog::warn("reservation {} is not forgotten yet: {}", r->migration, disk.what());
      return;
    }
    callbacks_.forgetting(*r);
    drop_from_indices(*r);
    r = reservations_.erase(r);
    place = forgotten + 1;
  }
}

}  // namespace cardswap
