#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

namespace cardswap::ucx {

/// The kernel's filter of segments from anybody but `addresses`, numeric, a blank between; IPv6
/// ones without a zone. What is no address counts for nothing. Pure.
[[nodiscard]] std::vector<sock_filter> filter_for(const std::string& addresses);

/// Keeps strangers from the sockets on which UCX listens: one for each interface, and one for
/// connections. UCX parses whatever reaches them before any code of ours sees it, and some input
/// ends the process.
///
/// Make the filter before UCX begins to listen. attach() then filters each socket that has begun to
/// listen since, those of the program itself included, and leaves older ones alone. Where the
/// kernel takes no filter, everybody may come, as without one.
class PeerFilter {
 public:
  /// Lets `addresses` in and nobody else; empty: does nothing.
  explicit PeerFilter(const std::string& addresses);
  void attach() const;

 private:
  std::vector<sock_filter> filter_;
  std::set<ino_t> before_;
};

}  // namespace cardswap::ucx
