#include "agent/handover/source/migration_factory.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <utility>

#include "agent/base/units.h"
#include "agent/handover/base/data_key.h"
#include "agent/handover/source/source_second_copy.h"
#include "agent/jobs/obstacles.h"
#include "agent/security/identity.h"
#include "migrator/base/named.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kPeerNameMax{700};
constexpr std::chrono::seconds kAttachMax{3};  // a runtime tries at least once a second
constexpr milliseconds kAttachLook{50};

bool is_ip(const std::string& host) {
  boost::system::error_code no_address;
  (void)asio::ip::make_address(host, no_address);
  return !no_address;
}

/// `spec` as it was asked for, "auto" included.
void choose_arrival(MigrationSpec& spec, const Instance& source) {
  if (spec.arrive == ArrivalMode::automatic) {
    const bool by_criu = source.job().spec.arrive == ArrivalMode::criu ||
                         source.record().init.pid != 0 ||  // it came here so
                         !why_it_moves_whole(source.obstacles).empty();
    // What a job's program has forgotten is asked of a standby, however else it moves.
    spec.arrive =
        by_criu && spec.rehearse != Rehearsal::only ? ArrivalMode::criu : ArrivalMode::standby;
  }
  if (spec.arrive != ArrivalMode::criu) return;
  if (spec.strategy == Strategy::replay) {
    throw Error(Code::bad_request, "a process that CRIU moves has nothing there to replay with",
                "use --strategy rounds, stop-copy or auto");
  }
  if (spec.strategy == Strategy::automatic) spec.strategy = Strategy::rounds;
}

/// Replaces each `automatic` of a snapshot's request. Its keeper has no program, and can neither
/// replay nor rehearse a step.
void choose_way_to_store(MigrationSpec& spec) {
  if (spec.strategy == Strategy::replay) {
    throw Error(Code::bad_request, "a store has no program to replay with",
                "use --strategy rounds, stop-copy or auto");
  }
  if (spec.strategy == Strategy::automatic) spec.strategy = Strategy::rounds;
  spec.arrive = ArrivalMode::standby;
  spec.chunk_bytes = kSnapshotChunkBytes;
}

/// A copy that may not be the one which steps: given up, the migration would let it go on.
void refuse_halted_copy(const Job& job, const MigrationList& list) {
  if (job.newer_epoch != 0) {
    throw Error(Code::conflict,
                fmt::format("job {} is halted here for good: epoch {} of it steps elsewhere",
                            job.name(), job.newer_epoch),
                "`cardswap stop " + job.name() + "` ends this copy");
  }
  if (list.has_lost_the_record_of(job)) {
    throw Error(Code::conflict,
                fmt::format("job {} is frozen for migration {}, whose record is set aside",
                            job.name(), job.migration),
                what_to_do_without_the_record(job));
  }
}

/// How many of a job's ranks are on this host, as far as it is known.
std::size_t ranks_here(const Job& job) {
  std::size_t count = 0;
  for (const auto& one : job.instances) count += std::max<std::size_t>(one.ranks.size(), 1);
  return count;
}

/// Where a job stands it takes no first step at its target. A restore's sender takes none anyway.
void refuse_held_job(const Instance& source, const MigrationSpec& spec) {
  const auto at = source.job().spec.hold_at;
  if (at == 0 || !spec.store.empty() || source.is_snapshot_sender()) return;
  throw Error(
      Code::conflict,
      fmt::format("job {} is to stand at step {}: it is not moved before it goes on", source.name(),
                  at),
      "`cardswap resume " + source.name() + "` lets it go on; a snapshot can be taken of it");
}

}  // namespace

MigrationFactory::MigrationFactory(asio::io_context& context, const Config& config, JobList& jobs,
                                   const MigrationList& list, TargetClient& targets)
    : io_context_(context), config_(config), jobs_(jobs), list_(list), targets_(targets) {}

Migration MigrationFactory::make(MigrationRequest wanted, const Instance& source) const {
  const auto& job = source.job();
  MigrationRecord record;
  record.id = "m-" + random_hex(4);
  auto& spec = record.spec;
  spec = std::move(wanted.spec);
  (void)parse_destination(spec.to);
  if (spec.store.empty()) {
    choose_arrival(spec, source);
  } else {
    choose_way_to_store(spec);
  }
  choose_rehearsal(spec, job.uid());
  spec.encrypt = spec.encrypt || config_.encrypt_always;
  if (spec.encrypt && !config_.tls.is_configured()) {
    check_key_may_go_in_the_clear(spec.to, fmt::format("job {} migration {}", spec.job, record.id));
  }
  record.job_uid = job.uid();
  handover::SourceDurable begins{handover::SourceState::planned, job.epoch + 1, job.epoch};
  begins.to_store = record.is_to_store();
  record.side = handover::SourceSide(begins);
  record.started_at_ms = unix_ms();
  record.history.emplace_back("planned", record.started_at_ms);
  TransferRecord transfer;
  transfer.rank = source.record().rank;
  transfer.instance = source.id();
  transfer.from = config_.host_name + "/" + source.device();
  transfer.to = spec.to;
  Migration m(std::move(record), {std::move(transfer)});
  m.failpoint = std::move(wanted.failpoint);
  m.yields_to_moves = wanted.yields_to_moves;
  if (!m.failpoint.empty() && !config_.failpoints) {
    throw Error(Code::bad_request, "a failpoint needs an agent started with --failpoints");
  }
  if (!m.failpoint.empty() && !named<handover::SourceState>(m.failpoint) &&
      !named<CriuPhase>(m.failpoint)) {
    throw Error(Code::bad_request, fmt::format("'{}' is no state", m.failpoint));
  }
  return m;
}

/// The process of the job that is asked for, if it can move now.
Instance& MigrationFactory::require_movable(const MigrationSpec& spec,
                                            const Migration* passed_over) {
  need_a_port();
  const auto& name = spec.job;
  auto& job = jobs_.job_named(name);
  auto& source = job.first();
  if (!source.is_live()) {
    const bool moved = source.state() == InstanceState::moved;
    throw Error(Code::conflict,
                moved ? fmt::format("job {} moved to {}", name, source.record().moved_to)
                      : fmt::format("job {} is {}", name, to_string(source.state())),
                moved ? "ask the agent there" : "only a running job can move");
  }
  if (job.world_size != 1 || job.instances.size() != 1) {
    throw Error(
        Code::refused,
        fmt::format("job {} has {} ranks, {} of them on {}: it does not move as a whole, nor is it "
                    "kept or rehearsed",
                    name, job.world_size, ranks_here(job), config_.host_name),
        fmt::format("`cardswap migrate {}/RANK --to HOST/DEVICE` moves one of its ranks", name));
  }
  refuse_halted_copy(job, list_);
  refuse_held_job(source, spec);
  if (const auto* other = list_.find_running(source.id());
      other != nullptr && other != passed_over) {
    const auto* what = other->record().is_to_store() ? "being kept by" : "in";
    throw Error(Code::conflict,
                fmt::format("job {} is {} migration {} already", name, what, other->id()),
                "wait for it, or `cardswap cancel " + other->id() + "`");
  }
  if (!source.attached && source.record().state_bytes > 0) {
    throw Error(Code::conflict,
                fmt::format("the runtime of job {} is not attached again yet", name),
                "it comes back by itself within seconds of an agent's restart: try again; if it "
                "does not, `cardswap logs " +
                    name + "` may say why");
  }
  if (!source.attached || !(source.reported || source.record().state_bytes != 0)) {
    throw Error(Code::conflict,
                source.attached ? fmt::format("job {} has not passed a step boundary yet", name)
                                : fmt::format("job {} has no Cardswap runtime attached", name),
                source.attached
                    ? "try again after its first step"
                    : "its program must open a cardswap::Session (docs/trainer-guide.md), or be a "
                      "PyTorch program whose Python has the cardswap package and that has taken a "
                      "step (docs/python.md)");
  }
  const auto to = parse_destination(spec.to);
  const bool moves = spec.rehearse != Rehearsal::only && spec.store.empty();
  if (moves && is_here(to.agent()) && to.device == source.device()) {
    throw Error(Code::conflict,
                fmt::format("job {} runs on {}/{}: it is there already", name, config_.host_name,
                            source.device()),
                "--to another device; `cardswap devices` lists those of this host");
  }
  return source;
}

/// A target that loses sight of this agent in the middle asks it for the decision, and asks again
/// until it has one: it must have somewhere to ask.
void MigrationFactory::need_a_port() const {
  if (config_.has_port()) return;
  throw Error(Code::refused,
              fmt::format("the agent of {} has no TCP port: no job can move from it or to it, "
                          "because agents ask each other there what became of a move",
                          config_.host_name),
              "start cardswapd with --listen ADDRESS:PORT, an address of this host that the other "
              "host reaches; docs/security.md tells who may call there");
}

/// Where this agent reaches itself.
bool MigrationFactory::is_here(const Address& agent) const {
  const auto own = config_.reached_here();
  if (agent.port != own.port) return false;
  if (is_same_host(agent.host, own.host) || is_same_host(agent.host, config_.host_name))
    return true;
  if (!is_loopback(agent.host) || !is_loopback(own.host)) return false;
  // Two agents may listen at two addresses of the loopback; "localhost" is whichever there is.
  return is_wildcard(config_.listen_host) || !is_ip(agent.host) || !is_ip(own.host);
}

bool MigrationFactory::is_own_request(const ReservationRequest& asked, const Instance& leaving,
                                      const Caller& caller) const {
  const auto* identity = tls::Identity::of(io_context_);
  const bool is_us = caller.owner || identity == nullptr || !identity->tls() ||
                     caller.name == tls::own_name(identity->tls());
  if (!is_us || asked.spec.name != leaving.name() || asked.spec.uid != leaving.job().uid()) {
    return false;
  }
  return asked.dry_run || std::ranges::any_of(list_.all(), [&](const Migration& m) {
           return m.id() == asked.migration && m.find(leaving.id()) != nullptr &&
                  m.epoch() == asked.epoch && !handover::is_over(m.state()) &&
                  !handover::is_committed(m.state());
         });
}

/// A name without a port may be a host's own: this one's, that of a --peer's address, or what a
/// --peer calls itself. All else stays what it is.
asio::awaitable<std::string> MigrationFactory::located(std::string to) {
  const auto slash = to.find('/');
  if (slash == std::string::npos) co_return to;
  const auto named = address_from(std::string_view(to).substr(0, slash), 0);
  if (!named || named->port != 0 || is_ip(named->host)) co_return to;
  const auto device = to.substr(slash);
  if (is_same_host(named->host, config_.host_name))
    co_return config_.reached_here().text() + device;
  std::vector<Address> peers;
  for (const auto& peer : config_.peers) {
    if (auto address = address_from(peer)) peers.push_back(std::move(*address));
  }
  for (const auto& peer : peers) {
    if (is_same_host(peer.host, named->host)) co_return peer.text() + device;
  }
  for (const auto& peer : peers) {
    try {
      const auto name = co_await targets_.host_name(http::Endpoint::tcp(peer), kPeerNameMax);
      if (is_same_host(name, named->host)) co_return peer.text() + device;
    } catch (const Error&) {
      // It may be another one's name; if it is nobody's, the call to it will say so.
    }
  }
  co_return to;
}

asio::awaitable<MigrationRequest> MigrationFactory::prepare(MigrationRequest wanted) {
  need_a_port();
  // An agent that was just restarted has the job before its runtime has found the agent.
  const auto until = Clock::now() + kAttachMax;
  while (Clock::now() < until) {
    const auto* job = jobs_.find(wanted.spec.job);
    if (job == nullptr || !job->is_live()) break;
    const auto& source = job->first();
    if (source.attached || source.record().state_bytes == 0) break;
    co_await jobs_.changed().wait_until(Clock::now() + kAttachLook);
  }
  const bool stays = wanted.spec.rehearse == Rehearsal::only || !wanted.spec.store.empty();
  if (stays) wanted.spec.to = device_beside(wanted.spec);
  auto to = co_await located(wanted.spec.to);
  wanted.spec.to = std::move(to);
  co_return wanted;
}

// ---- a step that the standby takes beside the job, before anything commits; or without that

/// Once `spec.arrive` is chosen.
void MigrationFactory::choose_rehearsal(MigrationSpec& spec, const std::string& job_uid) const {
  auto& asked = spec.rehearse;
  if (asked == Rehearsal::off) return;
  if (spec.arrive == ArrivalMode::criu) {
    if (asked == Rehearsal::automatic) asked = Rehearsal::off;
    if (asked == Rehearsal::off) return;
    throw Error(Code::bad_request,
                "a process that CRIU moves has all that it had: there is nothing to rehearse",
                "leave --rehearse out, or use --arrive standby");
  }
  if (asked != Rehearsal::automatic) return;
  const bool is_known = std::ranges::any_of(list_.all(), [&](const Migration& earlier) {
    return earlier.record().job_uid == job_uid && earlier.are_all(&Transfer::has_passed_rehearsal);
  });
  asked = is_known ? Rehearsal::off : Rehearsal::on;
}

/// The target of a migration by which the job does not leave: only a rehearsal, or a snapshot. It
/// may be the job's own device, and is if none is named.
std::string MigrationFactory::device_beside(const MigrationSpec& spec) const {
  if (spec.to.find('/') != std::string::npos) return spec.to;
  const auto* job = jobs_.find(spec.job);
  if (job == nullptr) return config_.reached_here().text() + "/cpu:0";  // start() says so
  return config_.reached_here().text() + "/" + (spec.to.empty() ? job->first().device() : spec.to);
}

bool MigrationFactory::may_run_beside_job(const ReservationRequest& asked, const Instance& leaving,
                                          const Caller& caller) const {
  return !asked.dry_run && is_own_request(asked, leaving, caller) &&
         std::ranges::any_of(list_.all(), [&](const Migration& m) {
           return m.id() == asked.migration &&
                  (m.spec().rehearse == Rehearsal::only || m.record().is_to_store());
         });
}

}  // namespace cardswap
