// Which agent a destination means: addresses as people write them, and hosts' own names as
// `cardswap jobs` prints them.

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/handover/answers.h"
#include "agent/handover/migrations.h"
#include "agent/security/identity.h"

namespace cardswap {

namespace json = boost::json;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr milliseconds kPeerNameMax{700};
constexpr std::chrono::seconds kAttachMax{3};  // a runtime tries at least once a second
constexpr milliseconds kAttachLook{50};

bool is_ip(const std::string& host) {
  boost::system::error_code no_address;
  (void)asio::ip::make_address(host, no_address);
  return !no_address;
}

}  // namespace

/// A target that loses sight of this agent in the middle asks it for the decision, and asks again
/// until it has one: it must have somewhere to ask.
void Migrations::need_a_port() const {
  if (config_.has_port()) return;
  throw Error(Code::refused,
              fmt::format("the agent of {} has no TCP port: no job can move from it or to it, "
                          "because agents ask each other there what became of a move",
                          config_.host_name),
              "start cardswapd with --listen ADDRESS:PORT, an address of this host that the other "
              "host reaches; docs/security.md tells who may call there");
}

/// Where this agent reaches itself.
Address Migrations::own_address() const {
  if (!is_wildcard(config_.listen_host)) return {config_.listen_host, config_.listen_port};
  const bool v6 = config_.listen_host.find(':') != std::string::npos;
  return {v6 ? "::1" : "127.0.0.1", config_.listen_port};
}

bool Migrations::is_here(const Address& agent) const {
  const auto own = own_address();
  if (agent.port != own.port) return false;
  if (same_host(agent.host, own.host) || same_host(agent.host, config_.host_name)) return true;
  if (!is_loopback(agent.host) || !is_loopback(own.host)) return false;
  // Two agents may listen at two addresses of the loopback; "localhost" is whichever there is.
  return is_wildcard(config_.listen_host) || !is_ip(agent.host) || !is_ip(own.host);
}

bool Migrations::moves_within(const ReservationRequest& asked, const Instance& leaving,
                              const Caller& caller) const {
  const auto* identity = tls::Identity::of(context_);
  const bool is_us = caller.owner || identity == nullptr || !identity->tls() ||
                     caller.name == tls::own_name(identity->tls());
  if (!is_us || asked.spec.name != leaving.name() || asked.spec.uid != leaving.job().uid()) {
    return false;
  }
  return asked.dry_run || std::ranges::any_of(migrations_, [&](const Migration& m) {
           return m.id == asked.migration && m.of(leaving.id) != nullptr &&
                  m.epoch() == asked.epoch && !handover::is_over(m.state()) &&
                  !handover::is_committed(m.state());
         });
}

/// A name without a port may be a host's own: this one's, that of a --peer's address, or what a
/// --peer calls itself. All else stays what it is.
asio::awaitable<std::string> Migrations::located(std::string to) {
  const auto slash = to.find('/');
  if (slash == std::string::npos) co_return to;
  const auto named = address_from(std::string_view(to).substr(0, slash), 0);
  if (!named || named->port != 0 || is_ip(named->host)) co_return to;
  const auto device = to.substr(slash);
  if (same_host(named->host, config_.host_name)) co_return own_address().text() + device;
  std::vector<Address> peers;
  for (const auto& peer : config_.peers) {
    if (auto address = address_from(peer)) peers.push_back(std::move(*address));
  }
  for (const auto& peer : peers) {
    if (same_host(peer.host, named->host)) co_return peer.text() + device;
  }
  for (const auto& peer : peers) {
    try {
      const auto said =
          co_await ask(http::Endpoint::tcp(peer), "GET", "/v1/version", nullptr, kPeerNameMax);
      if (same_host(text_at(said, "host"), named->host)) co_return peer.text() + device;
    } catch (const Error&) {
      // It may be another one's name; if it is nobody's, the call to it will say so.
    }
  }
  co_return to;
}

asio::awaitable<MigrationRequest> Migrations::prepared(MigrationRequest wanted) {
  need_a_port();
  // An agent that was just restarted has the job before its runtime has found the agent.
  const auto until = Clock::now() + kAttachMax;
  while (Clock::now() < until) {
    const auto* job = jobs_.find(wanted.spec.job);
    if (job == nullptr || !job->live()) break;
    const auto& source = job->first();
    if (source.attached || source.state_bytes == 0) break;
    co_await jobs_.changed().wait_until(Clock::now() + kAttachLook);
  }
  if (wanted.spec.rehearse == Rehearsal::only) wanted.spec.to = place_of_rehearsal(wanted.spec);
  auto to = co_await located(wanted.spec.to);
  wanted.spec.to = std::move(to);
  co_return wanted;
}

}  // namespace cardswap
