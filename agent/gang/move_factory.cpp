#include "agent/gang/move_factory.h"

#include <fmt/format.h>

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
#include "migrator/base/token.h"

namespace cardswap::gang {
namespace {

constexpr double kAgreementMs = 150;
constexpr double kMarginMax = 1000;
constexpr double kHandoverMs = 20;     // calls and answers, besides the disk
constexpr double kHandoverWrites = 5;  // one after the other, of the slowest member
constexpr std::chrono::seconds kResolveMax{2};

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

/// The first record of a move, without its epoch.
GangRecord record_of(const MigrationSpec& spec, const NamedRank& leaver,
                     const std::vector<std::string>& agents, const std::vector<RankFacts>& facts) {
  const auto& leaves = facts.at(leaver.rank);
  GangRecord record;
  record.id = "m-" + random_hex(4);
  record.job = leaver.job;
  record.leaver = leaver.rank;
  record.spec = spec;
  record.spec.arrive = ArrivalMode::standby;
  record.spec.rehearse = Rehearsal::off;
  record.from = leaves.host + "/" + leaves.device;
  record.agents = agents;
  record.started_at_ms = unix_ms();
  for (const auto& one : facts) {
    record.side.own_epoch = std::max(record.side.own_epoch, one.epoch);
  }
  record.side.ranks.resize(agents.size());
  record.side.ranks[leaver.rank].part = Part::leaves;
  return record;
}

/// `own`: this agent's address; `port`: that of the rendezvous' store.
GangPlan plan_of(const GangRecord& record, const std::vector<RankFacts>& facts,
                 const std::string& own, std::uint16_t port) {
  const auto destination = parse_destination(record.spec.to);
  const auto& leaves = facts.at(record.leaver);
  double median_step_ms = 0;
  for (const auto& one : facts) median_step_ms = std::max(median_step_ms, one.median_step_ms);
  GangPlan plan;
  plan.conductor = own;
  plan.rendezvous = Address{parse_address("agent", own).host, port}.text();
  plan.margin = margin_for(median_step_ms);
  plan.newcomer_comes_here = std::ranges::any_of(record.agents, [&](const std::string& agent) {
    return is_same_agent(agent, destination.agent().text());
  });
  auto& place = plan.place;
  place.migration = record.id;
  place.spec = *leaves.program;
  place.device = destination.device;
  place.state_bytes = leaves.state_bytes;
  place.epoch = record.side.epoch;
  place.from = record.from;
  place.from_api = own;
  place.addresses = leaves.addresses;
  place.framework = leaves.framework;
  place.encrypt = record.spec.encrypt;
  place.place = {record.id,       record.side.epoch,
                 record.leaver,   static_cast<std::uint32_t>(record.agents.size()),
                 plan.rendezvous, {record.leaver}};
  return plan;
}

}  // namespace

NamedRank named_rank(const std::string& text) {
  const auto slash = text.find('/');
  const auto rank = slash == std::string::npos
                        ? std::nullopt
                        : number_in<std::uint32_t>(std::string_view(text).substr(slash + 1));
  if (!rank || *rank >= channel::kRanksMax || !validate::is_job_name(text.substr(0, slash))) {
    throw Error(Code::bad_request, fmt::format("'{}' names no rank of a job", text),
                "write it as JOB/RANK, such as ddp/1");
  }
  return {text.substr(0, slash), *rank};
}

std::uint64_t margin_for(double median_step_ms) {
  const double steps = median_step_ms > 0 ? std::ceil(kAgreementMs / median_step_ms) : 0;
  return 2 + static_cast<std::uint64_t>(std::min(steps, kMarginMax));
}

std::vector<std::string> MoveFactory::agents_of(const NamedRank& leaver) const {
  const auto& [name, rank] = leaver;
  bool is_known = false;
  for (const auto* instance : std::as_const(context_.jobs).instances()) {
    const auto& job = instance->job();
    if (job.name() != name || !instance->is_live() || job.standby || job.superseded) continue;
    is_known = true;
    for (const auto& [other, one] : instance->ranks) {
      if (one.agents.empty() || !one.moved_to.empty()) continue;
      if (rank >= one.agents.size()) {
        throw Error(Code::not_found, fmt::format("job {} has {} ranks: there is no rank {}", name,
                                                 one.agents.size(), rank));
      }
      return one.agents;
    }
    if (job.world_size == 1) {
      throw Error(Code::bad_request, fmt::format("job {} is one process: it has no ranks", name),
                  fmt::format("`cardswap migrate {} --to ...` moves it", name));
    }
  }
  if (!is_known) (void)context_.jobs.job_named(name);
  throw Error(Code::conflict,
              fmt::format("the ranks of job {} have not told each other yet where they are", name),
              "they do so once they have made their process groups; they must be PyTorch programs "
              "whose Python has the cardswap package (docs/python.md)");
}

asio::awaitable<std::vector<RankFacts>> MoveFactory::ask_all(NamedRank leaver,
                                                             std::vector<std::string> agents) {
  std::vector<RankFacts> all;
  for (std::uint32_t rank = 0; rank < agents.size(); ++rank) {
    const auto who = fmt::format("rank {} of job {}", rank, leaver.job);
    if (agents[rank].empty()) {
      throw Error(Code::refused, fmt::format("the agent of {} has no TCP port", who),
                  "start cardswapd with --listen ADDRESS:PORT on each host of the job");
    }
    auto agent = http::Endpoint::tcp(parse_address("agent", agents[rank]));
    std::optional<Error> failed;
    try {
      all.push_back(
          co_await client_.facts(std::move(agent), leaver.job, rank, rank == leaver.rank));
    } catch (...) {
      if (context_.tasks.is_stopping()) throw;
      failed = error_of(std::current_exception());
    }
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
  }
  if (!all.at(leaver.rank).program) {
    throw Error(Code::refused, fmt::format("the agent of rank {} of job {} does not tell what its "
                                           "program is",
                                           leaver.rank, leaver.job));
  }
  co_return all;
}

asio::awaitable<std::shared_ptr<TcpStore>> MoveFactory::open_store(GangRecord record,
                                                                   std::uint16_t port) {
  std::vector<std::string> hosts{parse_destination(record.spec.to).host};
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

asio::awaitable<PreparedMove> MoveFactory::prepare(MigrationRequest wanted, Epoch epochs_tried) {
  refuse_what_is_not_done(wanted);
  if (!wanted.failpoint.empty() && !context_.config.failpoints) {
    throw Error(Code::bad_request, "a failpoint needs an agent started with --failpoints");
  }
  (void)Failpoint(wanted.failpoint);  // refuses an unknown one
  const auto leaver = named_rank(wanted.spec.job);
  const auto agents = agents_of(leaver);
  const auto own = own_agent_address(context_.config);
  const std::uint32_t conducts = leaver.rank == 0 ? 1 : 0;  // the lowest rank that stays
  if (own.empty() || !is_same_agent(agents.at(conducts), own)) {
    throw Error(Code::refused,
                fmt::format("the move of {} is conducted by the agent of rank {}, at {}",
                            wanted.spec.job, conducts, agents.at(conducts)),
                fmt::format("ask there: `cardswap --agent {} migrate {} --to {}`",
                            agents.at(conducts), wanted.spec.job, wanted.spec.to));
  }
  auto to = co_await migrations_.located(wanted.spec.to);
  const auto destination = parse_destination(to);
  const auto facts = co_await ask_all(leaver, agents);
  const auto& leaves = facts.at(leaver.rank);
  const auto at = destination.agent().text();
  if (is_same_agent(at, agents.at(leaver.rank)) && destination.device == leaves.device) {
    throw Error(Code::conflict,
                fmt::format("rank {} runs on {}/{}: it is there already", wanted.spec.job,
                            leaves.host, leaves.device),
                "--to another device");
  }
  const bool encrypts = wanted.spec.encrypt || context_.config.encrypt_always;
  if (encrypts && !context_.config.tls.is_configured()) {
    check_key_may_go_in_the_clear(to, fmt::format("the move of {}", wanted.spec.job));
  }
  wanted.spec.to = std::move(to);
  wanted.spec.encrypt = encrypts;
  PreparedMove made;
  made.record = record_of(wanted.spec, leaver, agents, facts);
  for (const auto& one : facts) epochs_tried = std::max(epochs_tried, one.epoch_tried);
  made.record.side.epoch = std::max(made.record.side.own_epoch, epochs_tried) + 1;
  made.rendezvous = co_await open_store(made.record, 0);
  made.plan = plan_of(made.record, facts, own, made.rendezvous->port());
  made.record.rendezvous = made.plan.rendezvous;
  made.plan.failpoint = std::move(wanted.failpoint);
  made.plan.handover_ms = kHandoverMs + kHandoverWrites * context_.journal.put_ms();
  co_return made;
}

}  // namespace cardswap::gang
