// The part of Moves that keeps the stores at which the ranks of jobs meet.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <map>
#include <utility>

#include "agent/base/address.h"
#include "agent/gang/moves.h"

namespace cardswap::gang {

/// The store of a move after which the ranks went on is the job's until the next one.
void Moves::on_ended(const GangRecord& ended) {
  const bool moved = has_gone(ended.state());
  for (auto store = stores_.begin(); store != stores_.end();) {
    const bool is_its = store->first == ended.id;
    const auto* other =
        !is_its && gangs_.contains(store->first) ? gangs_.at(store->first).get() : nullptr;
    const bool is_older =
        moved && other != nullptr && other->record().job == ended.job && is_over(other->state());
    if ((is_its && !moved) || is_older) {
      store->second->close();
      store = stores_.erase(store);
    } else {
      ++store;
    }
  }
}

void Moves::open_stores_again() {
  std::map<std::string, const GangRecord*> latest;  // by job
  for (const auto& [id, gang] : gangs_) {
    const auto& record = gang->record();
    if (!is_committed(record.state()) || record.rendezvous.empty()) continue;
    auto& known = latest[record.job];
    if (known == nullptr || known->side.epoch < record.side.epoch) known = &record;
  }
  for (const auto& [job, record] : latest) {
    const bool is_here =
        std::ranges::any_of(std::as_const(context_.jobs).instances(), [&](const Instance* one) {
          return one->is_live() && one->job().name() == job;  // no rank has attached yet
        });
    if (is_here) context_.tasks.spawn("open the store of job " + job, open_again(*record));
  }
}

asio::awaitable<void> Moves::open_again(GangRecord record) {
  std::optional<Error> failed;
  try {
    const auto port = parse_address("rendezvous", record.rendezvous).port;
    const auto store = co_await factory_.open_store(record, port);
    store->start();
    stores_[record.id] = store;
  } catch (...) {
    if (context_.tasks.is_stopping()) throw;
    failed = error_of(std::current_exception());
  }
  if (!failed) co_return;
  spdlog::warn("job {}: its ranks have nowhere to meet at {} for groups that they make later: {}",
               record.job, record.rendezvous, failed->what());
}

}  // namespace cardswap::gang
