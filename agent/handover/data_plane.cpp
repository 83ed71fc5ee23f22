#include "agent/handover/data_plane.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <fstream>

#include "agent/address.h"
#include "agent/criu/child.h"
#include "agent/criu/init_program.h"
#include "agent/units.h"
#include "migrator/error.h"
#include "migrator/utf8.h"

namespace cardswap {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kTriedMax = 64;
constexpr std::string_view kOtherHost = "cardswapd --data-host names another address";

/// Empty where nothing is wrong, and where the trial itself could not be made.
asio::awaitable<std::string> try_address(std::string host, std::string transports,
                                         std::filesystem::path dir) {
  ProcessSpec spec;
  spec.argv = {criu::program_beside("cardswap-holder").string(), "--try-data", std::move(host)};
  if (!transports.empty()) {
    spec.argv.insert(spec.argv.end(), {"--transports", std::move(transports)});
  }
  spec.log = dir / ("data-check-" + random_hex(4));
  std::string printed;
  try {
    (void)co_await criu::run_child(spec);
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

DataAddress data_address(const std::string& configured, const std::string& came_to,
                         const std::string& host_name) {
  DataAddress place{canonical_host(configured), {}};
  if (is_wildcard(place.host)) place.host = came_to.empty() ? "127.0.0.1" : came_to;
  if (is_link_local(place.host)) {
    place.problem = fmt::format(
        "{} would take the data at {}, a link-local address, and UCX connects to none "
        "({})",
        host_name, place.host, kOtherHost);
  }
  return place;
}

std::string way_back(const std::string& told, const std::string& came_from) {
  const auto address = address_from(told);
  if (!address || came_from.empty()) return told;
  const bool means_nothing =
      is_wildcard(address->host) || (is_loopback(address->host) && !is_loopback(came_from));
  return means_nothing ? Address{came_from, address->port}.text() : told;
}

asio::awaitable<DataAddress> DataPlane::place_for(std::string came_to) {
  auto place = data_address(config_.data_host, came_to, config_.host_name);
  const bool v6 = place.host.find(':') != std::string::npos;
  if (!v6 || !place.problem.empty()) co_return place;
  if (!tried_.contains(place.host)) {
    auto failed = co_await try_address(place.host, config_.transports, config_.data_dir);
    if (tried_.size() >= kTriedMax) tried_.clear();
    tried_[place.host] = std::move(failed);
  }
  if (const auto& failed = tried_[place.host]; !failed.empty()) {
    place.problem = fmt::format("{} takes no data at {}: {} ({})", config_.host_name, place.host,
                                failed, kOtherHost);
  }
  co_return place;
}

asio::awaitable<void> DataPlane::look() {
  if (is_wildcard(config_.data_host)) co_return;  // each address when it is called
  const auto place = co_await place_for({});
  warning_ = place.problem;
  if (!warning_.empty()) spdlog::warn("no job can come here: {}", warning_);
}

}  // namespace cardswap
