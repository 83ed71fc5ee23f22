#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// What the kernel writes in /proc, read from text: pure, for real and for made-up processes. A
/// line that is not understood is passed over.
namespace cardswap::criu {

/// What stands behind the path of a file or folder that is there no more.
inline constexpr std::string_view kDeleted = " (deleted)";

/// One line of /proc/PID/maps that names something.
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
/// Field 6 of /proc/PID/stat: the session; 0: one of another PID namespace.
[[nodiscard]] int session_in_stat(std::string_view text);

/// What /proc/PID/fdinfo/FD says, as far as moving it is concerned.
struct DescriptorInfo {
  int flags = 0;            ///< of open()
  std::string lock;         ///< "FLOCK", "POSIX", "OFDLCK", "LEASE"; empty: none is held by it
  int clock = -1;           ///< of a timerfd
  bool watches = false;     ///< an inotify or fanotify that watches something
  int pid = 0;              ///< of a pidfd; -1: of a process that ended
  int files_under_way = 0;  ///< in a unix socket: nobody has taken them out yet (SCM_RIGHTS)
  bool operator==(const DescriptorInfo&) const = default;
};
[[nodiscard]] DescriptorInfo parse_descriptor(std::string_view text);

/// Whether /proc/PID/timers has a timer that wakes the machine, which CRIU does not know.
[[nodiscard]] bool has_alarm_timer(std::string_view text);
/// Sockets of /proc/PID/net/unix that have a name, which others may call them by.
[[nodiscard]] std::map<std::uint64_t, std::string> parse_unix_names(std::string_view text);
/// Inodes of /proc/PID/net/netlink's sockets that have an address.
[[nodiscard]] std::vector<std::uint64_t> parse_netlink_sockets(std::string_view text);

/// A socket of /proc/PID/net/{tcp,tcp6,udp,udp6}.
struct InetSocket {
  std::uint64_t inode = 0;
  std::uint16_t local_port = 0;
  std::string remote;  ///< "10.0.0.2:5432"; empty: connected to nobody
  bool listens = false;
  bool operator==(const InetSocket&) const = default;
};
[[nodiscard]] std::vector<InetSocket> parse_inet_sockets(std::string_view text, bool is_tcp);

/// The instruction sets in /proc/cpuinfo's first processor, those that programs choose code by.
[[nodiscard]] std::vector<std::string> cpu_features(std::string_view cpuinfo);

}  // namespace cardswap::criu
