#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

namespace cardswap::ucx {

/// A socket filter that drops segments unless they come from one of `addresses`: numeric, separated
/// by blanks, IPv6 without a zone. A word that is not an address is ignored. Pure.
[[nodiscard]] std::vector<sock_filter> filter_for(const std::string& addresses);

/// Keeps strangers from the sockets on which UCX listens: one for each interface, and one for
/// connections. UCX parses what reaches them before any code of ours sees it, and some input ends
/// the process.
///
/// Make the filter before UCX begins to listen, and call attach() after that.
class PeerFilter {
 public:
  /// Notes the sockets that listen already. Only `addresses` will be let in; empty: attach() does
  /// nothing.
  explicit PeerFilter(const std::string& addresses);
  /// Filters each TCP socket of this process that listens now and did not when this was made; that
  /// includes sockets of the program itself. If the kernel refuses the filter, every address may
  /// connect.
  void attach() const;

 private:
  std::vector<sock_filter> filter_;
  std::set<ino_t> before_;
};

}  // namespace cardswap::ucx
