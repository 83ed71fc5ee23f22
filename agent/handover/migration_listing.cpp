#include "agent/handover/migration_listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <vector>

#include "agent/base/json_fields.h"

namespace cardswap {
namespace {

namespace json = boost::json;

/// One of the three kinds.
struct Item {
  std::int64_t ended_at_ms = 0;
  const Migration* migration = nullptr;
  const Reservation* reservation = nullptr;
  const json::object* of_rank = nullptr;

  [[nodiscard]] std::string id() const {
    if (of_rank != nullptr) return text_at(*of_rank, "id");
    return migration != nullptr ? migration->id() : reservation->migration();
  }
};

/// Between two devices of this host, or of a newcomer of a gang that is listed.
bool is_of(const std::set<std::string>& outgoing, const Reservation& r) {
  return outgoing.contains(r.migration()) || outgoing.contains(r.place.gang);
}

bool has_ended(const Reservation& r) { return is_over(r.state()); }

}  // namespace

json::object list_migrations(const std::list<Migration>& migrations,
                             const std::list<Reservation>& reservations,
                             const std::vector<json::object>& of_ranks,
                             const std::function<json::object(const Reservation&)>& incoming_json,
                             const ListingOptions& listing) {
  std::vector<Item> live;
  std::vector<Item> ended;
  std::set<std::string> outgoing;
  for (auto m = migrations.rbegin(); m != migrations.rend(); ++m) {
    if (listing.incoming) outgoing.insert(m->id());
    const bool over = handover::is_over(m->state());
    if (over && listing.running) continue;
    const auto at =
        m->record().ended_at_ms != 0 ? m->record().ended_at_ms : m->record().started_at_ms;
    (over && !m->has_pending_notice() ? ended : live).push_back({at, &*m, nullptr, nullptr});
  }
  for (const auto& one : of_ranks) {
    if (listing.incoming) outgoing.insert(text_at(one, "id"));
    const auto* result = value_at(one, "result");
    const bool over = result != nullptr && !result->is_null();
    if (over && listing.running) continue;
    (over ? ended : live)
        .push_back({number_at<std::int64_t>(one, "ended_at_ms"), nullptr, nullptr, &one});
  }
  for (auto r = reservations.rbegin(); listing.incoming && r != reservations.rend(); ++r) {
    if (is_of(outgoing, *r)) continue;
    const bool over = has_ended(*r);
    if (over && listing.running) continue;
    (over && !r->has_pending_notice() ? ended : live)
        .push_back({r->record().ended_at_ms, nullptr, &*r, nullptr});
  }
  std::ranges::stable_sort(ended, std::greater(), &Item::ended_at_ms);

  json::array list;
  std::size_t bytes = 0;
  const auto json_of = [&](const Item& item) {
    auto object = item.of_rank != nullptr     ? *item.of_rank
                  : item.migration != nullptr ? to_json(*item.migration)
                                              : incoming_json(*item.reservation);
    bytes += json::serialize(object).size() + 1;
    return object;
  };
  auto next = ended.begin();
  if (listing.before.empty()) {
    for (const auto& item : live) list.push_back(json_of(item));
  } else {
    next = std::ranges::find(ended, listing.before, &Item::id);
    if (next == ended.end()) {
      throw Error(Code::not_found, fmt::format("no migration '{}' has ended here", listing.before),
                  "begin again without 'before': what is old is forgotten");
    }
    ++next;
  }
  for (std::size_t count = 0; next != ended.end() && count < listing.limit; ++next, ++count) {
    auto object = json_of(*next);
    if (bytes > listing.bytes && count > 0) break;
    list.push_back(std::move(object));
  }
  return {{"migrations", std::move(list)}, {"left_out", ended.end() - next}};
}

}  // namespace cardswap
