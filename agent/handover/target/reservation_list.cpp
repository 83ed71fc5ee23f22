#include "agent/handover/target/reservation_list.h"

#include <fmt/format.h>

#include <boost/json.hpp>

namespace cardswap {

std::vector<std::string> ReservationTraits::instances_of(const Reservation& r) {
  if (r.instance().empty()) return {};
  return {r.instance()};
}

void ReservationList::load() {
  load_each([this](const boost::json::object& record) {
    (void)add(Reservation::left_by_a_former_agent(reservation_from_journal(record)));
  });
}

void ReservationList::set_instance(Reservation& r, const std::string& instance) {
  reindex(r, [&] { r.record_.instance = instance; });
}

asio::awaitable<void> ReservationList::wait_while(std::string migration,
                                                  handover::TargetState state,
                                                  std::chrono::steady_clock::time_point deadline) {
  while (has(migration) && at(migration).state() == state &&
         std::chrono::steady_clock::now() < deadline) {
    co_await changed(at(migration)).wait_until(deadline);
  }
}

const Reservation& ReservationList::at(const std::string& migration) const {
  if (const auto* r = find_by_id(migration)) return *r;
  throw Error(Code::not_found,
              fmt::format("{} holds nothing for migration {}", config_.host_name, migration));
}

const Reservation& ReservationList::at(const std::string& migration, const Caller& caller) const {
  const auto& r = at(migration);
  if (caller.owner || r.record().owner.empty() || r.record().owner == caller.name) return r;
  spdlog::warn("migration {}: {} asks about what {} has reserved", migration, caller.name,
               r.record().owner);
  throw Error(Code::not_found,
              fmt::format("{} holds nothing for migration {}", config_.host_name, migration),
              "only the agent that reserved a place, by its certificate's name, may ask about it");
}

}  // namespace cardswap
