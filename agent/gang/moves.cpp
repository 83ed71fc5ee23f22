#include "agent/gang/moves.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/base/units.h"
#include "agent/gang/rank_program.h"

namespace cardswap::gang {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kEndedGangsMax = 100;
constexpr std::chrono::minutes kEndedRanksKept{10};

}  // namespace

Moves::Moves(const HandoverContext& context, Migrations& migrations,
             std::function<void(const GangRecord&)> forgetting)
    : context_(context),
      forgetting_(std::move(forgetting)),
      client_(context.tasks),
      targets_(context.tasks),
      factory_(context_, client_, migrations) {}

Moves::~Moves() = default;

void Moves::load() {
  context_.journal.each(Journal::Kind::rank, [this](const boost::json::object& from) {
    auto record = rank_record_from_journal(from);
    RankKey key{record.gang, record.rank};
    ranks_[std::move(key)] = std::make_shared<RankTask>(context_, client_, std::move(record));
  });
  context_.journal.each(Journal::Kind::gang, [this](const boost::json::object& from) {
    add(gang_record_from_journal(from), std::nullopt);
  });
}

void Moves::resume_after_restart() {
  for (const auto& [key, rank] : ranks_) {
    if (!rank->is_over()) rank->resume();
  }
  for (const auto& [id, gang] : gangs_) {
    // One without a result ended while that was to be written.
    const auto& record = gang->record();
    const bool is_written = record.result.has_value() && record.cost.is_over();
    if (!is_over(gang->state()) || record.side.notice_pending || !is_written) gang->resume();
  }
  open_stores_again();
  forget_old();
}

void Moves::add(GangRecord record, std::optional<GangPlan> plan) {
  const auto id = record.id;
  gangs_[id] = std::make_shared<GangTask>(context_, GangTask::Clients{client_, targets_},
                                          std::move(record), std::move(plan),
                                          [this](const GangRecord& ended) { on_ended(ended); });
}

void Moves::forget_old() {
  std::vector<std::pair<std::int64_t, std::string>> ended;
  for (const auto& [id, gang] : gangs_) {
    const bool in_use = gang.use_count() > 1;  // a coroutine works on it
    if (gang->is_done() && !in_use && !stores_.contains(id))
      ended.emplace_back(gang->record().started_at_ms, id);
  }
  std::ranges::sort(ended);
  const auto now = unix_ms();
  const std::chrono::milliseconds kept(kEndedRanksKept);
  try {
    for (std::size_t i = 0; i + kEndedGangsMax < ended.size(); ++i) {
      context_.journal.remove(Journal::Kind::gang, ended[i].second);
      if (forgetting_) forgetting_(gangs_.at(ended[i].second)->record());
      gangs_.erase(ended[i].second);
    }
    std::erase_if(ranks_, [&](const auto& one) {
      const auto& record = one.second->record();
      // That a rank is elsewhere has to be known as long as the rest of its process tree runs.
      const auto* here = context_.jobs.by_instance(record.instance);
      const bool is_needed = one.second->may_be_elsewhere() && here != nullptr && here->is_live();
      const bool old = one.second->is_over() && !is_needed &&
                       now - record.started_at_ms > kept.count() &&
                       (record.ended_at_ms == 0 || now - record.ended_at_ms > kept.count());
      if (old) context_.journal.remove(Journal::Kind::rank, record.key());
      return old;
    });
  } catch (const Error& disk) {  // it is forgotten the next time
    spdlog::warn("ended gangs are not forgotten yet: {}", disk.what());
  }
}

// ---- operators

GangTask& Moves::gang_at(const std::string& id) const {
  const auto found = gangs_.find(id);
  if (found != gangs_.end()) return *found->second;
  throw Error(Code::not_found,
              fmt::format("there is no migration '{}' on {}", id, context_.config.host_name),
              "`cardswap status` lists them");
}

Epoch Moves::epochs_tried(const std::string& job) const {
  Epoch highest = 0;
  for (const auto& [id, gang] : gangs_) {
    if (gang->record().job == job) highest = std::max(highest, gang->record().side.epoch);
  }
  for (const auto& [key, rank] : ranks_) {  // of gangs that other agents conduct
    if (rank->record().job == job) highest = std::max(highest, rank->record().side.epoch);
  }
  return highest;
}

boost::asio::awaitable<boost::json::object> Moves::start(MigrationRequest wanted) {
  const auto asked = wanted.spec.job;
  const auto job = named_rank(asked).job;
  for (const auto& [id, gang] : gangs_) {
    if (gang->record().job != job || gang->record().result) continue;
    throw Error(Code::conflict, fmt::format("job {} is in migration {} already", job, id),
                "wait for it, or `cardswap cancel " + id + "`");
  }
  if (!starting_.emplace(job, asked).second) {
    throw Error(Code::conflict, fmt::format("a move of job {} is about to begin", job),
                "wait for it: `cardswap status` shows it");
  }
  std::optional<PreparedMove> made;
  std::optional<Error> refused;
  try {
    made = co_await factory_.prepare(std::move(wanted), epochs_tried(job));
  } catch (...) {
    starting_.erase(job);
    if (context_.tasks.is_stopping()) throw;
    refused = error_of(std::current_exception());
  }
  if (refused) throw Error(*refused);
  starting_.erase(job);
  forget_old();
  const auto id = made->record.id;
  const auto planned = fmt::format("job {} migration {} planned: {} to {}", asked, id,
                                   made->record.from, made->record.spec.to);
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

boost::json::object Moves::shown(const std::string& id) const { return gang_at(id).shown(); }

boost::json::object Moves::timeline(const std::string& id) const {
  const auto& gang = gang_at(id);
  return timeline_json(gang.record(), gang.samples());
}

boost::asio::awaitable<boost::json::object> Moves::news(std::string id, std::uint64_t after,
                                                        Clock::time_point until) {
  (void)gang_at(id);
  const auto gang = gangs_.at(id);
  while (gang->record().version <= after && Clock::now() < until) {
    co_await gang->news().wait_until(until);
  }
  co_return gang->shown();
}

std::vector<boost::json::object> Moves::all(bool running) const {
  std::vector<const GangTask*> tasks;
  for (const auto& [id, gang] : gangs_) {
    if (!running || !gang->record().result) tasks.push_back(gang.get());
  }
  std::ranges::sort(tasks, std::greater(),
                    [](const GangTask* one) { return one->record().started_at_ms; });
  std::vector<boost::json::object> shown;
  for (const auto* one : tasks) shown.push_back(one->shown());
  return shown;
}

void Moves::cancel(const std::string& id) {
  auto& gang = gang_at(id);
  const auto state = gang.state();
  if (state >= GangState::committed) {
    throw Error(Code::conflict, fmt::format("migration {} is {}: it cannot be cancelled any more",
                                            id, to_string(state)));
  }
  gang.give_up(Error(Code::cancelled, fmt::format("migration {} was cancelled", id)));
}

void Moves::force(const std::string& id, const OperatorDecision& decision) {
  gang_at(id).force(decision);
}

// ---- agents

void Moves::check_is(const Caller& caller, const std::string& address, const char* what) const {
  if (!context_.config.tls.is_configured() || caller.owner) return;
  if (caller.is_for(parse_address("agent", address).host)) return;
  spdlog::warn("{} {}, and is not the agent at {}", caller.name, what, address);
  throw Error(Code::unauthorized, fmt::format("only the agent at {} may do that", address),
              "its certificate must be for that host");
}

DecisionAnswer Moves::decision(const std::string& id, std::optional<handover::TargetState>,
                               const Caller& caller) {
  auto& gang = gang_at(id);
  const auto to = parse_destination(gang.record().spec.to).agent().text();
  check_is(caller, to, "asks what was decided of a newcomer");
  DecisionAnswer answer;
  answer.message = gang.answer_to_newcomer();
  answer.own_epoch = gang.record().side.own_epoch;
  return answer;
}

Order Moves::decision(const std::string& gang, std::uint32_t rank, Epoch epoch,
                      const Caller& caller) {
  auto& task = gang_at(gang);
  if (rank < task.record().agents.size()) {
    check_is(caller, task.record().agents[rank], "asks what was decided of a rank");
  }
  return task.decision(rank, epoch);
}

bool Moves::has_rank_here(const std::string& id) const {
  const auto rank = ranks_.lower_bound({id, 0});
  return rank != ranks_.end() && rank->first.first == id;
}

RankTask& Moves::rank_at(const std::string& gang, std::uint32_t rank, const Caller& caller) const {
  const auto found = ranks_.find({gang, rank});
  if (found == ranks_.end()) {
    throw Error(Code::not_found, fmt::format("rank {} of gang {} is not on {}", rank, gang,
                                             context_.config.host_name));
  }
  const auto& record = found->second->record();
  check_is(caller, record.conductor, "gives orders to a rank");
  if (!record.owner.empty() && !caller.owner && caller.name != record.owner) {
    throw Error(Code::unauthorized, fmt::format("gang {} is conducted by {}", gang, record.owner));
  }
  return *found->second;
}

RankTask* Moves::find_running(const std::string& instance, std::uint32_t rank) const {
  for (const auto& [key, task] : ranks_) {
    const bool is_it = task->record().instance == instance && key.second == rank;
    if (is_it && !task->is_over()) return task.get();
  }
  return nullptr;
}

RankReport Moves::obey(const std::string& gang, std::uint32_t rank, const Order& order,
                       const std::optional<Invitation>& invitation, const Caller& caller) {
  if (!ranks_.contains({gang, rank}) && order.kind == Order::Kind::join && invitation) {
    return join(gang, rank, order, *invitation, caller).obey(order, invitation);
  }
  return rank_at(gang, rank, caller).obey(order, invitation);
}

RankTask& Moves::join(const std::string& gang, std::uint32_t rank, const Order& order,
                      const Invitation& invitation, const Caller& caller) {
  check_is(caller, invitation.conductor, "gives orders to a rank");
  const auto* instance = context_.jobs.find_rank(invitation.job, rank);
  if (instance == nullptr) {
    throw Error(Code::conflict, fmt::format("rank {} of job {} is not on {}", rank, invitation.job,
                                            context_.config.host_name));
  }
  const auto& one = instance->ranks.at(rank);
  const bool is_of_it = one.agents.size() == invitation.ranks &&
                        std::ranges::find(one.agents, invitation.conductor) != one.agents.end();
  if (!is_of_it) {
    throw Error(Code::unauthorized, fmt::format("{} is no agent of a rank of job {}",
                                                invitation.conductor, invitation.job));
  }
  if (const auto* other = find_running(instance->id(), rank)) {
    throw Error(Code::conflict, fmt::format("rank {} of job {} is in migration {} already", rank,
                                            invitation.job, other->record().gang));
  }
  if (order.epoch <= instance->job().epoch) {
    throw Error(Code::conflict, fmt::format("rank {} of job {} steps under epoch {} already", rank,
                                            invitation.job, instance->job().epoch));
  }
  forget_old();
  RankRecord record;
  record.gang = gang;
  record.job = invitation.job;
  record.instance = instance->id();
  record.rank = rank;
  record.ranks = invitation.ranks;
  record.conductor = invitation.conductor;
  if (context_.config.tls.is_configured() && !caller.owner) record.owner = caller.name;
  record.process = one.process;
  record.to = invitation.spec.to;
  record.side.part = invitation.part;
  record.side.epoch = order.epoch;
  record.side.own_epoch = order.own_epoch;
  record.started_at_ms = unix_ms();
  auto& task = ranks_[{gang, rank}];
  task = std::make_shared<RankTask>(context_, client_, std::move(record));
  task->start();
  (void)context_.hub.send(*instance, rank, channel::TimeSteps{gang});
  return *task;
}

boost::asio::awaitable<RankReport> Moves::report(std::string gang, std::uint32_t rank,
                                                 std::uint64_t after, Clock::time_point until,
                                                 Caller caller) {
  rank_at(gang, rank, caller).note_contact();
  const auto task = ranks_.at({gang, rank});
  while (task->report().version <= after && Clock::now() < until) {
    co_await task->news().wait_until(until);
  }
  co_return task->report();
}

RankFacts Moves::facts(const std::string& job, std::uint32_t rank, bool leaves,
                       const Caller& caller) {
  const auto* instance = context_.jobs.find_rank(job, rank);
  bool is_of_it = !context_.config.tls.is_configured() || caller.owner;
  if (instance != nullptr && !is_of_it) {
    is_of_it = std::ranges::any_of(instance->ranks.at(rank).agents, [&](const auto& agent) {
      const auto address = address_from(agent);
      return address && caller.is_for(address->host);
    });
  }
  if (instance == nullptr || !is_of_it) {  // a stranger does not learn which ranks are here
    throw Error(Code::not_found,
                fmt::format("rank {} of job {} is not on {}, or {} is no agent of its ranks", rank,
                            job, context_.config.host_name, caller.name));
  }
  auto found = facts_of(*instance, rank, context_.config.host_name);
  found.epoch_tried = epochs_tried(job);
  if (const auto* running = find_running(instance->id(), rank); running != nullptr) {
    found.why_not = fmt::format("it is in migration {}", running->record().gang);
    found.hint = "wait for it, or `cardswap cancel " + running->record().gang + "`";
  }
  if (leaves && found.why_not.empty()) found.program = program_of_rank(*instance, rank);
  return found;
}

// ---- runtimes

void Moves::on_message(const Instance& instance, std::uint32_t rank,
                       const channel::Message& message) {
  if (const auto* late = std::get_if<channel::LateSteps>(&message)) {
    // The steps after a gang are told when it is over.
    const auto found = ranks_.find({late->migration, rank});
    const bool is_its = found != ranks_.end() && found->second->record().instance == instance.id();
    if (is_its) found->second->on_message(message);
    return;
  }
  if (auto* task = find_running(instance.id(), rank)) task->on_message(message);
}

}  // namespace cardswap::gang
