#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "agent/criu/proc_text.h"

namespace cardswap::criu {

/// Something that a process has open.
struct OpenThing {
  int fd = -1;
  std::string target;  ///< of the link in /proc/PID/fd; without " (deleted)"
  bool deleted = false;
  bool is_file = false;  ///< a regular file, `bytes` long
  bool is_folder = false;
  bool is_log = false;  ///< the job's output, which is another file at the target
  bool reads = true;
  bool writes = false;
  std::uint64_t bytes = 0;
};

/// What one process of a job holds, as far as moving it is concerned.
struct ProcessFacts {
  pid_t pid = 0;
  std::string name;
  pid_t tracer = 0;
  int tty = 0;
  std::vector<Mapping> mappings;
  std::vector<OpenThing> open;
};

/// A job's processes, the root first.
struct TreeFacts {
  std::vector<ProcessFacts> processes;
  std::vector<InetSocket> inet;             ///< of the root's network namespace
  std::set<std::uint64_t> our_sockets;      ///< inodes that the agent is at the other end of
  std::set<std::uint64_t> unix_to_outside;  ///< inodes of unix sockets with a peer that is no part
};

/// One process, from below `proc` ("/proc"). `log` is the job's.
[[nodiscard]] ProcessFacts read_process(const std::filesystem::path& proc, pid_t pid,
                                        const std::filesystem::path& log);
/// All of them; a process that ends meanwhile is left out.
[[nodiscard]] TreeFacts read_tree(const std::filesystem::path& proc, const std::vector<pid_t>& pids,
                                  const std::filesystem::path& log);

/// "socket:[4711]" -> 4711; 0 for anything else of that kind.
[[nodiscard]] std::uint64_t inode_of(std::string_view target, std::string_view kind);

}  // namespace cardswap::criu
