// What operators ask of gangs, here and by way of an agent that conducts none.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <exception>
#include <set>
#include <utility>

#include "agent/base/json_fields.h"
#include "agent/gang/moves.h"
#include "agent/handover/base/migration_body.h"

namespace cardswap::gang {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kElsewhereMax = 100;
constexpr milliseconds kNewsAtATime{5'000};  // what a conductor lets another agent wait

http::Endpoint endpoint_of(const std::string& conductor) {
  return http::Endpoint::tcp(parse_address("conductor", conductor));
}

}  // namespace

bool Moves::has(const std::string& id) const {
  return gangs_.contains(id) || !conductor_elsewhere(id).empty();
}

bool Moves::are_moving(const std::string& job) const {
  const auto works = [&](const auto& one) {
    return one.second->record().job == job && !one.second->is_over();
  };
  return starting_.contains(job) || std::ranges::any_of(ranks_, works);
}

std::string Moves::conductor_elsewhere(const std::string& id) const {
  if (gangs_.contains(id)) return {};
  if (const auto begun = elsewhere_.find(id); begun != elsewhere_.end())
    return begun->second.conductor;
  const auto rank = ranks_.lower_bound({id, 0});
  const bool takes_part = rank != ranks_.end() && rank->first.first == id;
  if (!takes_part) return {};
  const auto& conductor = rank->second->record().conductor;
  return conductor == own_address() ? std::string() : conductor;  // or it is forgotten here
}

void Moves::check_is_free(const std::string& job) const {
  for (const auto& [id, gang] : gangs_) {
    if (gang->record().job != job || gang->record().result) continue;
    throw Error(Code::conflict, fmt::format("job {} is in migration {} already", job, id),
                "wait for it, or `cardswap cancel " + id + "`");
  }
}

boost::asio::awaitable<json::object> Moves::start(MigrationRequest wanted) {
  check_is_free(wanted.spec.job.substr(0, wanted.spec.job.find('/')));
  auto asked = co_await factory_.identify(std::move(wanted));
  const bool is_ours = factory_.is_conducted_here(asked);
  if (!is_ours && !asked.wanted.failpoint.empty()) {
    throw Error(Code::refused, fmt::format("the agent at {} conducts it", asked.conductor),
                "ask there for one that is to be held");
  }
  if (is_ours) co_return co_await conduct(std::move(asked));
  co_return co_await pass_on(std::move(asked));
}

boost::asio::awaitable<json::object> Moves::begin(MigrationRequest wanted, Caller caller) {
  auto asked = co_await factory_.identify(std::move(wanted));
  if (!is_one_of(caller, asked.agents)) {
    throw Error(Code::unauthorized,
                fmt::format("only agents of ranks of job {} may move one", asked.ranks.job));
  }
  if (!factory_.is_conducted_here(asked)) {
    throw Error(Code::conflict,
                fmt::format("the agent at {} conducts the move of {} by now", asked.conductor,
                            asked.wanted.spec.job),
                "try again");
  }
  co_return co_await conduct(std::move(asked));
}

boost::asio::awaitable<json::object> Moves::conduct(AskedMove asked) {
  const auto job = asked.ranks.job;
  const auto what = asked.wanted.spec.job;
  check_is_free(job);
  if (!starting_.emplace(job, what).second) {
    throw Error(Code::conflict, fmt::format("a move of job {} is about to begin", job),
                "wait for it: `cardswap status` shows it");
  }
  std::optional<PreparedMove> made;
  std::optional<Error> refused;
  try {
    made = co_await factory_.prepare(std::move(asked), epochs_tried(job));
  } catch (...) {
    starting_.erase(job);
    if (context_.tasks.is_stopping()) throw;
    refused = error_of(std::current_exception());
  }
  if (refused) throw Error(*refused);
  starting_.erase(job);
  forget_old();
  const auto id = made->record.id;
  const auto planned =
      fmt::format("job {} migration {} planned: to {}", what, id, made->record.spec.to);
  made->rendezvous->start();
  stores_[id] = made->rendezvous;
  add(std::move(made->record), std::move(made->plan));
  try {
    gangs_.at(id)->start();
  } catch (...) {  // nothing is on disk
    gangs_.erase(id);
    stores_.at(id)->close();
    stores_.erase(id);
    throw;
  }
  spdlog::info("{}", planned);
  co_return shown(id);
}

/// The conductor finds out again what is asked for, and with what it knows then.
boost::asio::awaitable<json::object> Moves::pass_on(AskedMove asked) {
  const auto conductor = asked.conductor;
  auto begun = co_await client_.begin(endpoint_of(conductor), request_body(asked.wanted.spec));
  const std::string id(begun.at("id").as_string());
  spdlog::info("job {} migration {}: conducted by the agent at {}", asked.wanted.spec.job, id,
               conductor);
  if (elsewhere_.size() >= kElsewhereMax) elsewhere_.erase(elsewhere_.begin());
  elsewhere_[id].conductor = conductor;
  co_return begun;
}

boost::asio::awaitable<json::object> Moves::asked_of(std::string conductor, std::string id,
                                                     std::uint64_t after, milliseconds wait) {
  auto shown = co_await client_.shown(endpoint_of(conductor), id, after, wait);
  const auto begun = elsewhere_.find(id);
  if (begun != elsewhere_.end()) begun->second.is_over = value_at(shown, "result") != nullptr;
  co_return shown;
}

boost::asio::awaitable<json::object> Moves::news(std::string id, std::uint64_t after,
                                                 Clock::time_point until) {
  if (const auto conductor = conductor_elsewhere(id); !conductor.empty()) {
    const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now());
    const auto wait = std::clamp(left, milliseconds(0), kNewsAtATime);
    co_return co_await asked_of(conductor, id, after, wait);
  }
  (void)gang_at(id);
  const auto gang = gangs_.at(id);
  while (gang->record().version <= after && Clock::now() < until) {
    co_await gang->news().wait_until(until);
  }
  co_return gang->shown();
}

boost::asio::awaitable<json::object> Moves::conducted(std::string gang, std::uint64_t after,
                                                      Clock::time_point until, Caller caller) {
  if (!is_one_of(caller, gang_at(gang).record().agents)) {
    throw Error(Code::unauthorized, "only agents of its ranks may ask about a gang");
  }
  co_return co_await news(std::move(gang), after, until);
}

boost::asio::awaitable<std::vector<json::object>> Moves::running_elsewhere() {
  std::set<std::string> ids;
  for (const auto& [id, begun] : elsewhere_) {
    if (!begun.is_over) ids.insert(id);
  }
  for (const auto& [key, rank] : ranks_) {
    if (!rank->is_over()) ids.insert(key.first);
  }
  std::vector<json::object> all;
  for (const auto& id : ids) {
    const auto conductor = conductor_elsewhere(id);
    if (conductor.empty()) continue;
    try {
      auto shown = co_await asked_of(conductor, id, 0, milliseconds(0));
      if (value_at(shown, "result") == nullptr) all.push_back(std::move(shown));
    } catch (const Error& error) {
      if (context_.tasks.is_stopping()) throw;
      spdlog::debug("gang {}: {}", id, error.failure());
      if (error.code() == Code::not_found) elsewhere_.erase(id);  // it has forgotten it
    }
  }
  co_return all;
}

boost::asio::awaitable<json::object> Moves::cancel(std::string id) {
  if (const auto conductor = conductor_elsewhere(id); !conductor.empty()) {
    co_return co_await client_.cancel(endpoint_of(conductor), id);
  }
  co_return give_up(id, Caller::owns("an operator"));
}

json::object Moves::give_up(const std::string& id, const Caller& caller) {
  auto& gang = gang_at(id);
  if (!is_one_of(caller, gang.record().agents)) {
    throw Error(Code::unauthorized, "only agents of its ranks may give a gang up");
  }
  const auto state = gang.state();
  if (state >= GangState::committed) {
    throw Error(Code::conflict, fmt::format("migration {} is {}: it cannot be cancelled any more",
                                            id, to_string(state)));
  }
  gang.give_up(Error(Code::cancelled, fmt::format("migration {} was cancelled", id)));
  return gang.shown();
}

}  // namespace cardswap::gang
