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

void Moves::take_up_after_restart() {
  for (const auto& [key, rank] : ranks_) {
    if (!rank->is_over()) rank->take_up();
  }
  for (const auto& [id, gang] : gangs_) {
    // One without a result ended while that was to be written.
    const auto& record = gang->record();
    const bool is_written = record.result.has_value() && record.cost.is_over();
    if (!is_over(gang->state()) || record.side.notice_pending || !is_written) gang->take_up();
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

void Moves::check_is_here(const std::string& id, const std::string& verb) const {
  const auto conductor = conductor_elsewhere(id);
  if (conductor.empty()) return;
  const auto space = verb.find(' ');
  throw Error(
      Code::refused, fmt::format("migration {} is conducted by the agent at {}", id, conductor),
      fmt::format("ask there: `cardswap --agent {} {} {}{}`", conductor, verb.substr(0, space), id,
                  space == std::string::npos ? "" : verb.substr(space)));
}

boost::json::object Moves::shown(const std::string& id) const { return gang_at(id).shown(); }

boost::json::object Moves::timeline(const std::string& id) const {
  check_is_here(id, "report");
  const auto& gang = gang_at(id);
  return timeline_json(gang.record(), gang.samples());
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

void Moves::force(const std::string& id, const OperatorDecision& decision) {
  check_is_here(id, fmt::format("resolve --force {}", to_string(decision.to)));
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

bool Moves::is_one_of(const Caller& caller, const std::vector<std::string>& agents) const {
  if (!context_.config.tls.is_configured() || caller.owner) return true;
  return std::ranges::any_of(agents, [&](const std::string& agent) {
    const auto address = address_from(agent);
    return address && caller.is_for(address->host);
  });
}

std::pair<GangTask*, std::uint32_t> Moves::find_newcomer(const std::string& id) const {
  for (const auto& gang : {id, gang_of_newcomer(id)}) {
    const auto found = gangs_.find(gang);
    if (found == gangs_.end()) continue;
    const auto& record = found->second->record();
    for (const auto& move : record.moves) {
      if (record.newcomer_id(move.rank) == id) return {found->second.get(), move.rank};
    }
  }
  return {};
}

bool Moves::has_newcomer(const std::string& id) const { return find_newcomer(id).first != nullptr; }

DecisionAnswer Moves::decision(const std::string& id, std::optional<handover::TargetState>,
                               const Caller& caller) {
  const auto [gang, rank] = find_newcomer(id);
  if (gang == nullptr) {
    throw Error(Code::not_found,
                fmt::format("there is no migration '{}' on {}", id, context_.config.host_name));
  }
  const auto to = parse_destination(gang->record().move_of(rank).to).agent().text();
  check_is(caller, to, "asks what was decided of a newcomer");
  DecisionAnswer answer;
  answer.message = gang->answer_to_newcomer(rank);
  answer.own_epoch = gang->record().side.own_epoch;
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

/// Its gang's conductor is the agent of a rank, and all ranks have told each other theirs.
bool Moves::may_come_beside_ranks(const ReservationRequest& wanted, const Caller& caller) const {
  const auto& name = wanted.spec.name;
  for (const auto* instance : std::as_const(context_.jobs).instances()) {
    if (instance->name() != name || !instance->is_live()) continue;
    for (const auto& [rank, one] : instance->ranks) {
      const bool is_known = std::ranges::find(one.agents, wanted.from_api) != one.agents.end();
      if (is_known && is_one_of(caller, {wanted.from_api})) return true;
    }
  }
  return false;
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
  if (instance == nullptr || !is_one_of(caller, instance->ranks.at(rank).agents)) {
    // A stranger does not learn which ranks are here.
    throw Error(Code::not_found,
                fmt::format("rank {} of job {} is not on {}, or {} is no agent of its ranks", rank,
                            job, context_.config.host_name, caller.name));
  }
  if (instance->ranks.at(rank).agents.empty()) {
    throw Error(Code::conflict, "it has not heard yet where the agents of the other ranks are",
                "try again after its next steps");
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
