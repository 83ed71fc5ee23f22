#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/criu/facts/proc_text.h"

namespace cardswap::criu {

/// A descriptor that a process has open.
struct OpenDescriptor {
  /// The kind of file.
  enum class Kind : std::uint8_t { other, file, folder, character, block, fifo, socket };

  int fd = -1;
  std::string target;  ///< the target of the link in /proc/PID/fd, without " (deleted)"
  Kind kind = Kind::other;
  bool deleted = false;
  bool named = false;   ///< `target` names this very file in the process's mount namespace
  bool is_log = false;  ///< the job's log, which is another file at the target
  bool reads = true;
  bool writes = false;
  bool packets = false;  ///< a pipe that keeps writes apart (O_DIRECT)
  std::uint64_t bytes = 0;
  std::uint64_t file_system = 0;  ///< the file system's magic number of statfs(2); 0: unknown
  unsigned major = 0;             ///< a device's
  unsigned minor = 0;             ///< a device's
  std::string protocol;           ///< a socket's, as the kernel calls it: "TCP", "UNIX-STREAM"
  DescriptorInfo info;

  [[nodiscard]] bool is_file() const { return kind == Kind::file; }
  [[nodiscard]] bool is_folder() const { return kind == Kind::folder; }
};

/// The facts about one process of a job that matter for a move.
struct ProcessFacts {
  pid_t pid = 0;
  pid_t inner_pid = 0;  ///< the pid in its innermost PID namespace
  std::string name;
  pid_t tracer = 0;  ///< 0: it is not traced
  int tty = 0;       ///< tty_in_stat()
  int session = 0;   ///< session_in_stat()
  bool has_alarm_timer = false;
  std::string folder;  ///< its working directory, with " (deleted)" if it is deleted
  std::string root = "/";
  std::map<std::string, std::string> namespaces;  ///< "net" -> "net:[4026531840]"
  std::vector<Mapping> mappings;
  std::set<std::string> huge;  ///< Mapping::range of mappings of hugetlbfs
  std::vector<OpenDescriptor> open;
};

/// A job's processes, the root first.
struct TreeFacts {
  std::vector<ProcessFacts> processes;
  std::map<std::string, std::string> own_namespaces;  ///< the namespaces of the process that reads
  // Of the root's network namespace:
  std::vector<InetSocket> inet;
  std::map<std::uint64_t, std::string> unix_names;  ///< parse_unix_names()
  std::set<std::uint64_t> netlink_bound;            ///< parse_netlink_sockets()
  // Inodes of unix sockets of the tree:
  std::set<std::uint64_t> our_sockets;      ///< connected to the agent
  std::set<std::uint64_t> unix_to_outside;  ///< connected to a process outside of the tree
};

/// Reads the facts about one process below `proc` ("/proc"). `log` is the job's log. May block as
/// the files of the process do.
[[nodiscard]] ProcessFacts read_process(const std::filesystem::path& proc, pid_t pid,
                                        const std::filesystem::path& log);
/// Reads the facts about all processes of a job, the root first; one that ends meanwhile is left
/// out. `our_sockets` and `unix_to_outside` are left empty.
[[nodiscard]] TreeFacts read_tree(const std::filesystem::path& proc, const std::vector<pid_t>& pids,
                                  const std::filesystem::path& log);

/// The inode in a link's target, such as 4711 in "socket:[4711]" with `kind` "socket"; 0 for any
/// other target.
[[nodiscard]] std::uint64_t inode_of(std::string_view target, std::string_view kind);

}  // namespace cardswap::criu
