#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// Parsers of the kernel's texts in /proc. Pure, so that tests can make processes up. A line that
/// is not understood is skipped.
namespace cardswap::criu {

/// The kernel's suffix of the path of a deleted file or folder.
inline constexpr std::string_view kDeleted = " (deleted)";

/// A line of /proc/PID/maps with a name.
struct Mapping {
  std::string
      path;  ///< "/lib/x.so", "/SYSV00000000", "anon_inode:[io_uring]"; without " (deleted)"
  bool deleted = false;
  bool executable = false;
  bool shared = false;
  std::string range = {};  ///< "7f30-7f40", its name in /proc/PID/map_files
  bool operator==(const Mapping&) const = default;
};
/// The mappings without those that every process has and CRIU knows: "[heap]", "[stack]", "[vdso]"
/// and the like.
[[nodiscard]] std::vector<Mapping> parse_maps(std::string_view text);

/// "Key:\tvalue" lines of /proc/PID/status, values without the white space around them.
[[nodiscard]] std::map<std::string, std::string, std::less<>> parse_status(std::string_view text);

/// Field 7 of /proc/PID/stat: the controlling terminal; 0: none.
[[nodiscard]] int tty_in_stat(std::string_view text);
/// Field 6 of /proc/PID/stat: the session; 0: a session of another PID namespace.
[[nodiscard]] int session_in_stat(std::string_view text);

/// The facts in /proc/PID/fdinfo/FD that matter for a move.
struct DescriptorInfo {
  int flags = 0;            ///< the flags of open()
  std::string lock;         ///< "FLOCK", "POSIX", "OFDLCK", "LEASE"; empty: it holds no lock
  int clock = -1;           ///< a timerfd's clock; -1: it is none
  bool watches = false;     ///< an inotify or fanotify that watches something
  int pid = 0;              ///< a pidfd's process; -1: it has ended; 0: it is no pidfd
  int files_under_way = 0;  ///< descriptors sent into a unix socket and not received (SCM_RIGHTS)
  bool operator==(const DescriptorInfo&) const = default;
};
[[nodiscard]] DescriptorInfo parse_descriptor(std::string_view text);

/// Whether /proc/PID/timers has a timer that can wake the machine: CRIU does not know those.
[[nodiscard]] bool has_alarm_timer(std::string_view text);
/// The sockets in /proc/PID/net/unix that have a name, by inode.
[[nodiscard]] std::map<std::uint64_t, std::string> parse_unix_names(std::string_view text);
/// The inodes of the sockets in /proc/PID/net/netlink that have an address.
[[nodiscard]] std::vector<std::uint64_t> parse_netlink_sockets(std::string_view text);

/// A socket of /proc/PID/net/{tcp,tcp6,udp,udp6}.
struct InetSocket {
  std::uint64_t inode = 0;
  std::uint16_t local_port = 0;
  std::string remote;  ///< "10.0.0.2:5432"; empty: not connected
  bool listens = false;
  bool operator==(const InetSocket&) const = default;
};
[[nodiscard]] std::vector<InetSocket> parse_inet_sockets(std::string_view text, bool is_tcp);

/// The instruction sets of the first processor in /proc/cpuinfo by which programs choose code,
/// sorted.
[[nodiscard]] std::vector<std::string> cpu_features(std::string_view cpuinfo);

}  // namespace cardswap::criu
