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

/// Something that a process has open.
struct OpenDescriptor {
  /// What kind of thing it is.
  enum class Kind : std::uint8_t { other, file, folder, character, block, fifo, socket };

  int fd = -1;
  std::string target;  ///< of the link in /proc/PID/fd; without " (deleted)"
  Kind kind = Kind::other;
  bool deleted = false;
  bool named = false;   ///< its name leads to it, in the process's own sight
  bool is_log = false;  ///< the job's output, which is another file at the target
  bool reads = true;
  bool writes = false;
  bool packets = false;  ///< a pipe that keeps writes apart (O_DIRECT)
  std::uint64_t bytes = 0;
  std::uint64_t file_system = 0;  ///< its magic number, as statfs(2) has it; 0: unknown
  unsigned major = 0;             ///< of a device
  unsigned minor = 0;
  std::string protocol;  ///< of a socket, as the kernel calls it: "TCP", "UNIX-STREAM"
  DescriptorInfo info;

  [[nodiscard]] bool is_file() const { return kind == Kind::file; }
  [[nodiscard]] bool is_folder() const { return kind == Kind::folder; }
};

/// What one process of a job holds, as far as moving it is concerned.
struct ProcessFacts {
  pid_t pid = 0;
  pid_t inner_pid = 0;  ///< in its own PID namespace
  std::string name;
  pid_t tracer = 0;
  int tty = 0;
  int session = 0;
  bool has_alarm_timer = false;
  std::string folder;  ///< its working directory, with " (deleted)" where that is so
  std::string root = "/";
  std::map<std::string, std::string> namespaces;  ///< "net" -> "net:[4026531840]"
  std::vector<Mapping> mappings;
  std::set<std::string> huge;  ///< ranges of mappings that consist of pages of hugetlbfs
  std::vector<OpenDescriptor> open;
};

/// A job's processes, the root first.
struct TreeFacts {
  std::vector<ProcessFacts> processes;
  std::map<std::string, std::string> own_namespaces;  ///< of whoever asks
  std::vector<InetSocket> inet;                       ///< of the root's network namespace
  std::map<std::uint64_t, std::string> unix_names;    ///< of that one too
  std::set<std::uint64_t> netlink_bound;              ///< and these
  std::set<std::uint64_t> our_sockets;      ///< inodes that the agent is at the other end of
  std::set<std::uint64_t> unix_to_outside;  ///< inodes of unix sockets with a peer that is no part
};

/// One process, from below `proc` ("/proc"). `log` is the job's.
[[nodiscard]] ProcessFacts read_process(const std::filesystem::path& proc, pid_t pid,
                                        const std::filesystem::path& log);
/// All processes of a job; one that ends meanwhile is left out.
[[nodiscard]] TreeFacts read_tree(const std::filesystem::path& proc, const std::vector<pid_t>& pids,
                                  const std::filesystem::path& log);

/// "socket:[4711]" -> 4711; 0 for anything else of that kind.
[[nodiscard]] std::uint64_t inode_of(std::string_view target, std::string_view kind);

}  // namespace cardswap::criu
