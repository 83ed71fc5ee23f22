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

/// Keeps strangers from UCX's listening sockets, one an interface and one that connections are made
/// to: what reaches them is parsed before anything of ours sees it, and some of it ends the
/// process.
///
/// Made before UCX begins to listen; attach() then finds what listens since, which
/// includes what the program itself begins to listen on in between. Older sockets of the process
/// are left alone. Where the kernel takes no filter everybody may come, as without one.
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
