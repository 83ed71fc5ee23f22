#include "agent/snapshots/recovery_in_child.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <functional>

#include "agent/base/json_fields.h"
#include "agent/process/run_in_child.h"
#include "migrator/base/error.h"
#include "migrator/store/open_store.h"
#include "migrator/store/read_intent.h"
#include "migrator/store/snapshot_reader.h"

namespace cardswap::snapshots {
namespace {

namespace json = boost::json;

constexpr std::chrono::minutes kSearchMax{30};

/// What is wrong with the snapshot; empty: every byte of it is what its trainer had confirmed.
std::string what_is_wrong(store::Store& in, const store::PackCatalog& catalog,
                          const store::Ref& ref) {
  try {
    const auto damaged = store::SnapshotReader(in, catalog, ref).verify();
    if (damaged.empty()) return {};
    return fmt::format("{}: {}", damaged.front().object, damaged.front().what);
  } catch (const Error& error) {
    if (store::is_store_failure(error.code())) throw;
    return error.failure();
  }
}

RecoveryPoint found_in(const std::string& address, const RecoverySearch& search) {
  const auto in = store::open_store(address);
  const store::ReadIntent reading(*in, search.job);  // before it looks at anything
  const auto list = store::refs_of(*in, search.job);
  store::PackCatalog catalog;
  catalog.refresh(*in);
  auto point = choose_recovery_point(list, search.lineage, [&](const store::Ref& ref) {
    return what_is_wrong(*in, catalog, ref);
  });
  point.store = address;
  return point;
}

/// Runs in the child: it becomes the user for good.
std::string search_here(const RecoverySearch& search) {
  if (search.user) become_in_child(*search.user);
  RecoveryPoint all;
  all.has_none_at_all = true;
  for (const auto& address : search.stores) {
    try {
      auto point = found_in(address, search);
      all.has_none_at_all = all.has_none_at_all && point.has_none_at_all;
      for (auto& text : point.damaged) all.damaged.push_back(address + ": " + text);
      if (!point.ref) continue;
      all.ref = std::move(point.ref);
      all.branch = std::move(point.branch);
      all.store = address;
      break;
    } catch (const Error& error) {
      all.damaged.push_back(fmt::format("{}: {}", address, error.failure()));
      all.has_none_at_all = false;
    }
  }
  json::object answer{{"branch", all.branch},
                      {"store", all.store},
                      {"none", all.has_none_at_all},
                      {"damaged", json::array(all.damaged.begin(), all.damaged.end())}};
  if (all.ref) {
    answer["number"] = all.ref->number;
    answer["step"] = all.ref->step;
    answer["epoch"] = all.ref->epoch;
    answer["of_branch"] = all.ref->branch;
    answer["manifest"] = to_string(all.ref->manifest);
  }
  return json::serialize(answer);
}

}  // namespace

boost::asio::awaitable<RecoveryPoint> find_recovery_point(RecoverySearch search) {
  const std::function<std::string()> look = [&search] { return search_here(search); };
  const auto text = co_await run_in_child(look, kSearchMax);
  const auto value = json::parse(text);
  const auto& said = value.as_object();
  RecoveryPoint point;
  point.branch = text_at(said, "branch");
  point.store = text_at(said, "store");
  point.has_none_at_all = flag_at(said, "none");
  for (const auto& one : array_at(said, "damaged")) {
    point.damaged.emplace_back(one.as_string());
  }
  if (said.contains("manifest")) {
    point.ref = store::Ref{search.job,
                           number_at<std::uint64_t>(said, "number"),
                           store::object_id_from(text_at(said, "manifest")),
                           text_at(said, "of_branch"),
                           number_at<std::uint64_t>(said, "step"),
                           number_at<std::uint64_t>(said, "epoch")};
  }
  co_return point;
}

}  // namespace cardswap::snapshots
