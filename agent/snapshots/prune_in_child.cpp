#include "agent/snapshots/prune_in_child.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <functional>

#include "agent/base/json_fields.h"
#include "agent/base/units.h"
#include "agent/process/run_in_child.h"
#include "migrator/store/job_retention.h"
#include "migrator/store/names.h"
#include "migrator/store/open_store.h"
#include "migrator/store/prune.h"

namespace cardswap::snapshots {
namespace {

namespace json = boost::json;

constexpr std::chrono::minutes kPruneMax{30};

/// Removes the intents of writers that have ended.
void remove_ended_intents(store::Store& in, const PruneWork& work) {
  for (const auto& name : store::list_all(in, store::intents_prefix(work.job))) {
    const auto writer = name.substr(name.rfind('/') + 1);
    if (std::ranges::find(work.ended_writers, writer) != work.ended_writers.end()) in.remove(name);
  }
}

std::string answer(std::size_t snapshots, std::size_t removed,
                   const std::vector<store::Damage>& damaged) {
  const auto text = damaged.empty()
                        ? std::string()
                        : fmt::format("{}: {}", damaged.front().object, damaged.front().what);
  return json::serialize(
      json::object{{"snapshots", snapshots}, {"removed", removed}, {"damaged", text}});
}

/// Runs in the child: it becomes the user for good.
std::string prune_here(const PruneWork& work) {
  if (work.user) become_in_child(*work.user);
  const auto in = store::open_store(work.store);
  remove_ended_intents(*in, work);
  auto surplus = store::surplus_in(*in, work.job, work.keep, store::was_read_back_when_written);
  if (!surplus.damaged.empty()) return answer(0, 0, surplus.damaged);
  store::PruneOrder order;
  order.now_s = unix_ms() / 1000;
  order.grace_s = work.grace_s;
  const auto count = surplus.numbers.size();
  order.surplus[work.job] = std::move(surplus.numbers);
  const auto report = store::prune(*in, order);
  return answer(report.damaged.empty() ? count : 0, report.removed.size(), report.damaged);
}

}  // namespace

boost::asio::awaitable<PruneOutcome> prune_in_child(PruneWork work) {
  const std::function<std::string()> prune = [&work] { return prune_here(work); };
  const auto text = co_await run_in_child(prune, kPruneMax);
  const auto said = json::parse(text);
  PruneOutcome outcome;
  outcome.snapshots = number_at<std::uint64_t>(said.as_object(), "snapshots");
  outcome.removed = number_at<std::uint64_t>(said.as_object(), "removed");
  outcome.damaged = text_at(said.as_object(), "damaged");
  co_return outcome;
}

}  // namespace cardswap::snapshots
