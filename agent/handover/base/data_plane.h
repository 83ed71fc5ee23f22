#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"

namespace cardswap {

/// Where a job on its way in takes its data.
struct ListenAddress {
  std::string host;     ///< a numeric address of this host
  std::string problem;  ///< why no data can come there; empty: it can
};

/// Chooses the address. `configured` is --data-host, or what --listen has. Where that is every
/// address of this host, the one that the source's agent called (Caller::came_to) is taken: it can
/// be reached from there.
[[nodiscard]] ListenAddress data_address(const std::string& configured, const std::string& came_to,
                                         const std::string& host_name);
/// The address at which the source's agent is called back: `announced`, unless that means nothing
/// to another host (a wildcard, or a loopback address told from afar); then the one that its call
/// came from.
[[nodiscard]] std::string callback_address(const std::string& announced,
                                           const std::string& came_from);

/// All addresses of this host's interfaces but loopback's, numeric, without zones; none where they
/// are too many to be told.
[[nodiscard]] std::vector<std::string> own_addresses();
/// Whether `network`, a namespace's inode, is the one that this agent is in: what it tells of
/// addresses is true of no other one.
[[nodiscard]] bool is_own_network(std::uint64_t network);
/// The addresses from which the other side's data may come, a blank between: `announced` are its
/// host's addresses, `seen` is one that it was met at. Nothing, which is anywhere, where nothing
/// was told. Pure.
[[nodiscard]] std::string data_peers(const std::vector<std::string>& announced,
                                     const std::string& seen, const std::vector<std::string>& own);

/// Knows on which addresses of this host jobs' data links work. IPv4 always does; over IPv6 it
/// depends on the UCX of this host, so a child process tries, once an address. One thread.
class DataPlane {
 public:
  explicit DataPlane(const Config& config) : config_(config) {}

  /// The place for a call that came to `came_to`; takes some 100 ms the first time.
  boost::asio::awaitable<ListenAddress> address_for(std::string came_to);
  /// Tries, at the agent's start, whether the configured address will do; in the log too.
  boost::asio::awaitable<void> probe();
  /// What look() found wrong; empty: nothing.
  [[nodiscard]] const std::string& warning() const { return warning_; }

 private:
  const Config& config_;
  std::map<std::string, std::string> tried_;  ///< address -> what fails there, or nothing
  std::string warning_;
};

/// What `cardswap-holder --try-data` printed says; empty where it found nothing wrong.
[[nodiscard]] std::string trial_failure(std::string_view printed);

}  // namespace cardswap
