#include "agent/gang/move_factory.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <utility>

#include "agent/base/resolve.h"
#include "agent/base/text_parts.h"
#include "agent/base/units.h"
#include "agent/base/validate.h"
#include "agent/gang/own_address.h"
#include "agent/handover/base/data_key.h"
#include "agent/placement/placement.h"
#include "migrator/base/token.h"

namespace cardswap::gang {
namespace {

constexpr double kAgreementMs = 150;
constexpr double kMarginMax = 1000;
constexpr double kHandoverMs = 20;     // calls and answers, besides the disk
constexpr double kHandoverWrites = 5;  // one after the other, of the slowest member
constexpr std::chrono::seconds kResolveMax{2};
constexpr std::chrono::seconds kSettleMax{5};  // ranks tell each other where they are after a move
constexpr std::chrono::milliseconds kSettleLook{100};

using Clock = std::chrono::steady_clock;

/// What is not done for a rank yet.
void refuse_what_is_not_done(const MigrationRequest& wanted) {
  const auto& spec = wanted.spec;
  const auto refuse = [&](const char* what, const char* hint) {
    throw Error(Code::refused, fmt::format("rank {} cannot {}", spec.job, what), hint);
  };
  if (!spec.store.empty()) refuse("be kept as a snapshot", "a job of many ranks is not kept yet");
  if (wanted.dry_run)
    refuse("be planned", "a move that is given up costs its job nothing: leave --dry-run out");
  if (spec.rehearse == Rehearsal::only || spec.rehearse == Rehearsal::on) {
    refuse("rehearse a step", "the other ranks would have to take part: --rehearse off");
  }
  if (spec.arrive == ArrivalMode::criu) {
    refuse("be moved by CRIU",
           "its connections to the other ranks would not come along: --arrive standby");
  }
  if (spec.strategy == Strategy::replay) {
    refuse("be moved by replay", "use --strategy rounds, stop-copy or auto");
  }
}

bool is_same_agent(const std::string& one, const std::string& other) {
  const auto left = address_from(one);
  const auto right = address_from(other);
  return left && right && left->port == right->port && is_same_host(left->host, right->host);
}

/// The first record of a move, without its epoch. `to`: the device of each rank that moves.
GangRecord record_of(const AskedMove& asked, const std::vector<std::string>& to,
                     const std::vector<RankFacts>& facts) {
  GangRecord record;
  record.id = "m-" + random_hex(4);
  record.job = asked.ranks.job;
  record.spec = asked.wanted.spec;
  record.spec.to = joined(to);
  record.spec.arrive = ArrivalMode::standby;
  record.spec.rehearse = Rehearsal::off;
  record.agents = asked.agents;
  record.started_at_ms = unix_ms();
  for (const auto& one : facts) {
    record.side.own_epoch = std::max(record.side.own_epoch, one.epoch);
  }
  record.side.ranks.resize(asked.agents.size());
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto rank = asked.ranks.ranks[i];
    RankMove move;
    move.rank = rank;
    move.from = facts.at(rank).host + "/" + facts.at(rank).device;
    move.to = to[i];
    record.side.ranks[rank].part = Part::leaves;
    record.moves.push_back(std::move(move));
  }
  return record;
}

ReservationRequest place_of(const GangRecord& record, const RankMove& move, const RankFacts& leaves,
                            const GangPlan& plan) {
  ReservationRequest place;
  place.migration = record.newcomer_id(move.rank);
  place.spec = *leaves.program;
  place.device = parse_destination(move.to).device;
  place.state_bytes = leaves.state_bytes;
  place.epoch = record.side.epoch;
  place.from = move.from;
  place.from_api = plan.conductor;
  place.addresses = leaves.addresses;
  place.framework = leaves.framework;
  place.encrypt = record.spec.encrypt;
  place.place = {record.id,       record.side.epoch,
                 move.rank,       static_cast<std::uint32_t>(record.agents.size()),
                 plan.rendezvous, plan.moved};
  return place;
}

/// `own`: this agent's address; `port`: that of the rendezvous' store.
GangPlan plan_of(const GangRecord& record, const std::vector<RankFacts>& facts,
                 const std::string& own, std::uint16_t port) {
  double median_step_ms = 0;
  for (const auto& one : facts) median_step_ms = std::max(median_step_ms, one.median_step_ms);
  GangPlan plan;
  plan.conductor = own;
  plan.rendezvous = Address{parse_address("agent", own).host, port}.text();
  plan.margin = margin_for(median_step_ms);
  for (const auto& move : record.moves) plan.moved.push_back(move.rank);
  for (const auto& move : record.moves) {
    plan.places[move.rank] = place_of(record, move, facts.at(move.rank), plan);
  }
  return plan;
}

/// The lowest rank that stays; the lowest one, if all leave.
std::uint32_t conducting_rank(const std::vector<std::uint32_t>& leavers) {
  std::uint32_t lowest = 0;
  for (const auto rank : leavers) {  // in ascending order
    if (rank == lowest) ++lowest;
  }
  return lowest;
}

}  // namespace

std::uint64_t margin_for(double median_step_ms) {
  const double steps = median_step_ms > 0 ? std::ceil(kAgreementMs / median_step_ms) : 0;
  return 2 + static_cast<std::uint64_t>(std::min(steps, kMarginMax));
}

/// The agent of each rank of the job, as a rank here knows them; empty: none does yet.
std::vector<std::string> MoveFactory::known_agents(const std::string& name) const {
  bool is_known = false;
  for (const auto* instance : std::as_const(context_.jobs).instances()) {
    const auto& job = instance->job();
    if (job.name() != name || !instance->is_live() || job.standby || job.superseded) continue;
    is_known = true;
    for (const auto& [rank, one] : instance->ranks) {
      if (!one.agents.empty() && one.moved_to.empty()) return one.agents;
    }
    if (job.world_size == 1) {
      throw Error(Code::bad_request, fmt::format("job {} is one process: it has no ranks", name),
                  fmt::format("`cardswap migrate {} --to ...` moves it", name));
    }
  }
  if (!is_known) (void)context_.jobs.job_named(name);
  return {};
}

asio::awaitable<std::vector<std::string>> MoveFactory::agents_of(std::string job) {
  const auto until = Clock::now() + kSettleMax;
  auto agents = known_agents(job);
  while (agents.empty() && Clock::now() < until) {
    co_await context_.jobs.changed().wait_until(until);
    agents = known_agents(job);
  }
  if (!agents.empty()) co_return agents;
  throw Error(Code::conflict,
              fmt::format("the ranks of job {} have not told each other yet where they are", job),
              "they do so once they have made their process groups; they must be PyTorch programs "
              "whose Python has the cardswap package (docs/python.md)");
}

asio::awaitable<std::vector<RankFacts>> MoveFactory::ask_all(std::string job,
                                                             std::vector<std::string> agents,
                                                             std::vector<std::uint32_t> leavers) {
  std::vector<RankFacts> all;
  for (std::uint32_t rank = 0; rank < agents.size(); ++rank) {
    const auto who = fmt::format("rank {} of job {}", rank, job);
    if (agents[rank].empty()) {
      throw Error(Code::refused, fmt::format("the agent of {} has no TCP port", who),
                  "start cardswapd with --listen ADDRESS:PORT on each host of the job");
    }
    auto agent = http::Endpoint::tcp(parse_address("agent", agents[rank]));
    const bool leaves = std::ranges::find(leavers, rank) != leavers.end();
    const auto until = Clock::now() + kSettleMax;
    std::optional<Error> failed;
    do {
      if (failed) co_await pause_for(kSettleLook);
      failed.reset();
      try {
        all.push_back(co_await client_.facts(agent, job, rank, leaves));
      } catch (...) {
        if (context_.tasks.is_stopping()) throw;
        failed = error_of(std::current_exception());
      }
      // One that has just come is not known to be the job's until the ranks have told each other.
    } while (failed && Clock::now() < until &&
             (failed->code() == Code::conflict || failed->code() == Code::not_found));
    if (failed) throw Error(failed->within(fmt::format("{} at {}", who, agents[rank])));
    const auto& facts = all.back();
    if (facts.ranks != agents.size()) {
      throw Error(Code::conflict, fmt::format("{} at {} says that the job has {} ranks, not {}",
                                              who, agents[rank], facts.ranks, agents.size()));
    }
    if (!facts.why_not.empty()) {
      throw Error(Code::conflict,
                  fmt::format("{} on {} cannot take part: {}", who, facts.host, facts.why_not),
                  facts.hint);
    }
    if (leaves && !facts.program) {
      throw Error(Code::refused,
                  fmt::format("the agent of {} does not tell what its program is", who));
    }
  }
  co_return all;
}

/// The ranks of the host that an operator calls `host`: by its own name, or by its agent's address.
asio::awaitable<std::vector<std::uint32_t>> MoveFactory::ranks_at(std::string job, std::string host,
                                                                  std::vector<std::string> agents) {
  const auto named = parse_address("--from", host, 0);
  const auto facts = co_await ask_all(job, agents, {});
  std::vector<std::uint32_t> ranks;
  std::set<std::string> hosts;
  for (std::uint32_t rank = 0; rank < agents.size(); ++rank) {
    const auto agent = parse_address("agent", agents[rank]);
    const bool is_port = named.port == 0 || named.port == agent.port;
    const bool is_it = (is_same_host(named.host, agent.host) && is_port) ||
                       (named.port == 0 && is_same_host(named.host, facts[rank].host));
    if (is_it) ranks.push_back(rank);
    hosts.insert(facts[rank].host + " (" + agents[rank] + ")");
  }
  if (ranks.empty()) {
    throw Error(Code::not_found, fmt::format("job {} has no rank on {}", job, host),
                fmt::format("its ranks are on {}", fmt::join(hosts, ", ")));
  }
  co_return ranks;
}

asio::awaitable<std::shared_ptr<TcpStore>> MoveFactory::open_store(GangRecord record,
                                                                   std::uint16_t port) {
  std::vector<std::string> hosts;
  for (const auto& move : record.moves) hosts.push_back(parse_destination(move.to).host);
  for (const auto& agent : record.agents) hosts.push_back(parse_address("agent", agent).host);
  const auto until = std::chrono::steady_clock::now() + kResolveMax;
  std::set<std::string> peers;
  for (const auto& host : hosts) {
    const auto found = co_await resolve(host, 0, until);
    for (const auto& at : found.endpoints) {
      peers.insert(canonical_host(without_zone(at.address().to_string())));
    }
  }
  auto at = context_.config.listen_host;
  if (!is_wildcard(at)) {
    const auto found = co_await resolve(at, 0, until);
    if (!found.endpoints.empty()) at = found.endpoints.front().address().to_string();
  }
  co_return std::make_shared<TcpStore>(context_.io, context_.tasks, at, std::move(peers), port);
}

asio::awaitable<AskedPlaces> MoveFactory::located(AskedPlaces asked) {
  for (auto& place : asked.places) {
    auto at = place;
    if (!asked.are_devices) at += '/';
    auto found = co_await migrations_.located(std::move(at));
    if (!asked.are_devices) {
      found = parse_address("--to", found.substr(0, found.find('/'))).text();
    }
    place = std::move(found);
  }
  co_return asked;
}

asio::awaitable<AskedMove> MoveFactory::identify(MigrationRequest wanted) {
  refuse_what_is_not_done(wanted);
  if (!wanted.failpoint.empty() && !context_.config.failpoints) {
    throw Error(Code::bad_request, "a failpoint needs an agent started with --failpoints");
  }
  (void)Failpoint(wanted.failpoint);  // refuses an unknown one
  AskedMove asked;
  if (wanted.from.empty()) {
    asked.ranks = asked_ranks(wanted.spec.job);
    asked.agents = co_await agents_of(asked.ranks.job);
  } else {
    if (!validate::is_job_name(wanted.spec.job)) {
      throw Error(Code::bad_request, fmt::format("'{}' is no name of a job", wanted.spec.job),
                  "name either ranks, as JOB/RANK, or a job and --from HOST");
    }
    asked.ranks.job = wanted.spec.job;
    asked.agents = co_await agents_of(asked.ranks.job);
    asked.ranks.ranks = co_await ranks_at(asked.ranks.job, wanted.from, asked.agents);
  }
  for (const auto rank : asked.ranks.ranks) {
    if (rank < asked.agents.size()) continue;
    throw Error(Code::not_found, fmt::format("job {} has {} ranks: there is no rank {}",
                                             asked.ranks.job, asked.agents.size(), rank));
  }
  auto places = asked_places(wanted.spec.to, asked.ranks.ranks.size());
  asked.places = co_await located(std::move(places));
  sort_by_rank(asked.ranks, asked.places);
  wanted.from.clear();
  wanted.spec.job = to_text(asked.ranks);
  wanted.spec.to = joined(asked.places.places);
  asked.wanted = std::move(wanted);
  const auto conducts = conducting_rank(asked.ranks.ranks);
  const auto rank = conducts < asked.agents.size() ? conducts : 0;
  asked.conductor = asked.agents.at(rank);
  if (asked.conductor.empty()) {
    throw Error(Code::refused,
                fmt::format("the agent of rank {} of job {}, which would conduct "
                            "the move, has no TCP port",
                            rank, asked.ranks.job),
                "start cardswapd with --listen ADDRESS:PORT on each host of the job");
  }
  co_return asked;
}

bool MoveFactory::is_conducted_here(const AskedMove& asked) const {
  return is_same_agent(asked.conductor, own_agent_address(context_.config));
}

asio::awaitable<std::vector<std::string>> MoveFactory::devices_for(AskedMove asked,
                                                                   std::vector<RankFacts> facts) {
  const auto& places = asked.places.places;
  if (asked.places.are_devices) co_return places;
  std::vector<PlacementDevice> devices;
  for (const auto& host : places) {
    auto agent = http::Endpoint::tcp(parse_address("--to", host));
    const auto found = co_await client_.devices(std::move(agent));
    devices.insert(devices.end(), found.begin(), found.end());
  }
  std::vector<PlacementJob> jobs;
  for (const auto rank : asked.ranks.ranks) {
    const auto here = std::ranges::find_if(
        places, [&](const auto& host) { return is_same_agent(host, asked.agents[rank]); });
    PlacementJob job;
    job.name = fmt::format("{}/{}", asked.ranks.job, rank);
    job.host = here != places.end() ? *here : asked.agents[rank];
    job.device = facts.at(rank).device;
    job.kind = job.device.substr(0, job.device.find(':'));
    job.state_bytes = facts.at(rank).state_bytes;
    jobs.push_back(std::move(job));
  }
  const auto placed = place(jobs, devices);
  if (!placed.unplaced.empty()) {
    const auto& first = placed.unplaced.front();
    throw Error(Code::refused, fmt::format("{} fits nowhere on {}: {}", jobs[first.job].name,
                                           joined(places), to_string(first.reasons)));
  }
  std::vector<std::string> chosen(jobs.size());
  for (const auto& one : placed.assigned) chosen[one.job] = devices[one.device].address();
  co_return chosen;
}

asio::awaitable<PreparedMove> MoveFactory::prepare(AskedMove asked, Epoch epochs_tried) {
  const auto own = own_agent_address(context_.config);
  const auto facts = co_await ask_all(asked.ranks.job, asked.agents, asked.ranks.ranks);
  const auto to = co_await devices_for(asked, facts);
  auto& spec = asked.wanted.spec;
  spec.encrypt = spec.encrypt || context_.config.encrypt_always;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto rank = asked.ranks.ranks[i];
    const auto destination = parse_destination(to[i]);
    const auto& leaves = facts.at(rank);
    if (is_same_agent(destination.agent().text(), asked.agents.at(rank)) &&
        destination.device == leaves.device) {
      throw Error(Code::conflict,
                  fmt::format("rank {}/{} runs on {}/{}: it is there already", asked.ranks.job,
                              rank, leaves.host, leaves.device),
                  "--to another device");
    }
    if (spec.encrypt && !context_.config.tls.is_configured()) {
      check_key_may_go_in_the_clear(to[i], fmt::format("the move of {}/{}", asked.ranks.job, rank));
    }
  }
  PreparedMove made;
  made.record = record_of(asked, to, facts);
  for (const auto& one : facts) epochs_tried = std::max(epochs_tried, one.epoch_tried);
  made.record.side.epoch = std::max(made.record.side.own_epoch, epochs_tried) + 1;
  made.rendezvous = co_await open_store(made.record, 0);
  made.plan = plan_of(made.record, facts, own, made.rendezvous->port());
  made.record.rendezvous = made.plan.rendezvous;
  made.plan.failpoint = std::move(asked.wanted.failpoint);
  made.plan.handover_ms = kHandoverMs + kHandoverWrites * context_.journal.put_ms();
  co_return made;
}

}  // namespace cardswap::gang
