#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"

namespace cardswap {

/// The address at which a job that arrives here receives its data.
struct ListenAddress {
  std::string host;     ///< a numeric address of this host
  std::string problem;  ///< why no data can be received there; empty: it can
};

/// Chooses the address for incoming data. `configured` is --data-host, or the host of --listen.
/// If that is a wildcard, the address that the source's agent called (`came_to`, from
/// Caller::came_to) is taken, because the source can reach it; 127.0.0.1 if that is empty.
/// `host_name` is for the text of a problem. Pure.
[[nodiscard]] ListenAddress data_address(const std::string& configured, const std::string& came_to,
                                         const std::string& host_name);
/// The address at which the source's agent is called back, as HOST:PORT. It is `announced`, unless
/// that means nothing to this host (a wildcard, or a loopback address that another host announces):
/// then it is `came_from`, the address that its call came from, with the announced port. Pure.
[[nodiscard]] std::string callback_address(const std::string& announced,
                                           const std::string& came_from);

/// All numeric addresses of this host's interfaces except loopback, without zones. Empty if they
/// cannot be read, and if there are more than 64: too many to tell another agent.
[[nodiscard]] std::vector<std::string> own_addresses();
/// Whether `network`, the inode of a network namespace, is this agent's own namespace. Only there
/// are own_addresses() the addresses of a process. 0 is no namespace.
[[nodiscard]] bool is_own_network(std::uint64_t network);
/// The addresses from which the other side's data may come, separated by blanks. `announced` are
/// the addresses that its agent told of its host, `seen` is one at which it was met (or empty),
/// `own` are this host's: they count too if the other side is on this host. Of `announced` the
/// first 64 count. Empty, which allows every address, if nothing was announced. Pure.
[[nodiscard]] std::string allowed_addresses(const std::vector<std::string>& announced,
                                            const std::string& seen,
                                            const std::vector<std::string>& own);

/// Knows at which addresses of this host data links of jobs work. IPv4 always works. Over IPv6 it
/// depends on this host's UCX, so a child process tries each address once. `config` must outlive
/// it. One thread.
class DataPlane {
 public:
  explicit DataPlane(const Config& config) : config_(config) {}

  /// The address for data of a call that came to `came_to`. Takes some 100 ms for the first call at
  /// an IPv6 address. A trial that cannot be made counts as passed, and the log says so.
  boost::asio::awaitable<ListenAddress> address_for(std::string came_to);
  /// Tries at the agent's start whether the configured address works; logs a problem. Does nothing
  /// for a wildcard: its addresses are tried when they are called.
  boost::asio::awaitable<void> probe();
  /// The problem that probe() found; empty: none, or probe() has not run.
  [[nodiscard]] const std::string& warning() const { return warning_; }

 private:
  const Config& config_;
  std::map<std::string, std::string> tried_;  ///< address -> why it does not work; empty: it works
  std::string warning_;
};

/// The failure that `cardswap-holder --try-data` printed; empty if it reported none.
[[nodiscard]] std::string trial_failure(std::string_view printed);

}  // namespace cardswap
