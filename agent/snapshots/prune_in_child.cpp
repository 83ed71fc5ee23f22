#include "agent/snapshots/prune_in_child.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <utility>

#include "agent/base/json_archive.h"
#include "agent/base/units.h"
#include "agent/process/run_in_child.h"
#include "migrator/store/job_retention.h"
#include "migrator/store/log_window.h"
#include "migrator/store/names.h"
#include "migrator/store/open_store.h"
#include "migrator/store/prune.h"

namespace cardswap::snapshots {

namespace json = boost::json;

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, PruneOutcome>& m) {
  a("snapshots", m.snapshots);
  a("removed", m.removed);
  a("kept_back_by", m.kept_back_by);
}

namespace {

constexpr std::chrono::minutes kPruneMax{30};

/// Removes the intents of writers that have ended.
void remove_ended_intents(store::Store& in, const PruneWork& work) {
  for (const auto& name : store::list_all(in, store::intents_prefix(work.job))) {
    const auto writer = name.substr(name.rfind('/') + 1);
    if (std::ranges::find(work.ended_writers, writer) != work.ended_writers.end()) in.remove(name);
  }
}

/// What keeps the prune from removing anything: the first thing that is damaged.
PruneOutcome nothing_removed(const std::vector<store::Damage>& damaged) {
  return {0, 0, fmt::format("{}: {}", damaged.front().object, damaged.front().what)};
}

/// Runs in the child.
PruneOutcome prune_here(const PruneWork& work) {
  const auto in = store::open_store(work.store);
  remove_ended_intents(*in, work);
  auto surplus = store::surplus_in(*in, work.job, work.keep, store::was_read_back_when_written);
  if (!surplus.damaged.empty()) return nothing_removed(surplus.damaged);
  store::PruneOrder order;
  order.now_s = unix_ms() / 1000;
  order.grace_s = work.grace_s;
  const auto count = surplus.numbers.size();
  order.surplus[work.job] = std::move(surplus.numbers);
  const auto report = store::prune(*in, order);
  if (!report.damaged.empty()) return nothing_removed(report.damaged);
  return {count, report.removed.size() + store::remove_orphans(*in, work.job), {}};
}

}  // namespace

boost::asio::awaitable<PruneOutcome> prune_in_child(PruneWork work) {
  auto user = work.user;
  std::function<std::string()> prune = [&work] {
    json::object answer;
    put_fields(answer, prune_here(work));
    return json::serialize(answer);
  };
  const auto answer = co_await run_as_user(std::move(user), kPruneMax, std::move(prune));
  PruneOutcome outcome;
  read_fields(json::parse(answer).as_object(), outcome);
  co_return outcome;
}

}  // namespace cardswap::snapshots
