#include "agent/handover/base/data_plane.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <ranges>
#include <set>

#include "agent/base/address.h"
#include "agent/base/units.h"
#include "agent/criu/init_program.h"
#include "agent/process/child.h"
#include "agent/process/program_beside.h"
#include "migrator/base/error.h"
#include "migrator/base/net_interfaces.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kTriedMax = 64;
constexpr std::size_t kAddressesMax = 64;
constexpr std::string_view kOtherHost = "cardswapd --data-host names another address";

/// Runs the trial; returns its failure. Empty: it passed, or it could not be made.
asio::awaitable<std::string> try_address(std::string host, std::string transports,
                                         std::filesystem::path dir) {
  ProcessSpec spec;
  spec.argv = {program_beside("cardswap-holder").string(), "--try-data", std::move(host)};
  if (!transports.empty()) {
    spec.argv.insert(spec.argv.end(), {"--transports", std::move(transports)});
  }
  spec.log = dir / ("data-check-" + random_hex(4));
  std::string printed;
  try {
    (void)co_await run_to_exit(spec);
    std::ifstream file(spec.log);
    printed.assign(std::istreambuf_iterator<char>(file), {});
  } catch (const Error& error) {
    spdlog::warn("the data plane was not tried: {}", error.failure());
  }
  std::error_code ignored;
  std::filesystem::remove(spec.log, ignored);
  co_return trial_failure(printed);
}

}  // namespace

std::string trial_failure(std::string_view printed) {
  const auto at = printed.rfind("\ndata ");
  if (at == std::string_view::npos) return {};
  printed.remove_prefix(at + 6);
  const auto said = printed.substr(0, printed.find('\n'));
  return said == "ok" ? std::string() : as_utf8(std::string(said));
}

ListenAddress data_address(const std::string& configured, const std::string& came_to,
                           const std::string& host_name) {
  ListenAddress address{canonical_host(configured), {}};
  if (is_wildcard(address.host)) address.host = came_to.empty() ? "127.0.0.1" : came_to;
  if (is_link_local(address.host)) {
    address.problem = fmt::format(
        "{} would take the data at {}, a link-local address, and UCX connects to none "
        "({})",
        host_name, address.host, kOtherHost);
  }
  return address;
}

std::string callback_address(const std::string& announced, const std::string& came_from) {
  const auto address = address_from(announced);
  if (!address || came_from.empty()) return announced;
  const bool means_nothing =
      is_wildcard(address->host) || (is_loopback(address->host) && !is_loopback(came_from));
  return means_nothing ? Address{came_from, address->port}.text() : announced;
}

std::vector<std::string> own_addresses() {
  std::set<std::string> found;
  for (const auto& one : net_interfaces()) {
    for (const auto* list : {&one.addresses, &one.link_local}) {
      for (const auto& address : *list) {
        if (!is_loopback(address)) found.insert(address);
      }
    }
  }
  if (found.size() > kAddressesMax) return {};
  return {found.begin(), found.end()};
}

bool is_own_network(std::uint64_t network) {
  struct stat about {};
  return network != 0 && ::stat("/proc/self/ns/net", &about) == 0 && about.st_ino == network;
}

std::string allowed_addresses(const std::vector<std::string>& announced, const std::string& seen,
                              const std::vector<std::string>& own) {
  if (announced.empty()) return {};
  std::set<std::string> all;
  const auto add = [&](const std::string& address) {
    std::array<std::byte, sizeof(in6_addr)> bytes{};
    const auto host = canonical_host(address.substr(0, address.find('%')));
    const bool known = ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
                       ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
    if (known) all.insert(host);
  };
  for (const auto& address : announced | std::views::take(kAddressesMax)) {
    if (!is_loopback(address)) add(address);
  }
  add(seen);
  const bool is_here = seen.empty() || is_loopback(seen) ||
                       std::ranges::find(own, canonical_host(seen)) != own.end();
  if (is_here) {
    for (const auto& address : own) add(address);
    for (const auto* address : {"127.0.0.1", "::1"}) add(address);
  }
  return fmt::format("{}", fmt::join(all, " "));
}

asio::awaitable<ListenAddress> DataPlane::address_for(std::string came_to) {
  auto address = data_address(config_.data_host, came_to, config_.host_name);
  const bool v6 = address.host.find(':') != std::string::npos;
  if (!v6 || !address.problem.empty()) co_return address;
  if (!tried_.contains(address.host)) {
    auto failed = co_await try_address(address.host, config_.transports, config_.data_dir);
    if (tried_.size() >= kTriedMax) tried_.clear();
    tried_[address.host] = std::move(failed);
  }
  if (const auto& failed = tried_[address.host]; !failed.empty()) {
    address.problem = fmt::format("{} takes no data at {}: {} ({})", config_.host_name,
                                  address.host, failed, kOtherHost);
  }
  co_return address;
}

asio::awaitable<void> DataPlane::probe() {
  if (is_wildcard(config_.data_host)) co_return;  // each address when it is called
  const auto address = co_await address_for({});
  warning_ = address.problem;
  if (!warning_.empty()) spdlog::warn("no job can come here: {}", warning_);
}

}  // namespace cardswap
