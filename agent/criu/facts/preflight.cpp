#include "agent/criu/facts/preflight.h"

#include <fmt/format.h>
#include <linux/magic.h>

#include <algorithm>
#include <array>
#include <map>

#include "agent/criu/facts/paths.h"
#include "agent/criu/facts/proc_text.h"

namespace cardswap::criu {
namespace {

// What may pass was dumped and restored by tests/integration/criu_kinds_test.cpp, each by itself.
// Whatever is not listed here is a reason to stay.
constexpr auto kMovingAnonymous = std::to_array<std::string_view>(
    {"anon_inode:[eventfd]", "anon_inode:[eventpoll]", "anon_inode:[signalfd]"});
constexpr unsigned kMemoryMajor = 1;
constexpr std::array<unsigned, 5> kMovingMemoryMinors{3, 5, 7, 8, 9};  // null zero full random ...
constexpr std::array<int, 3> kMovingClocks{0, 1, 7};  // realtime, monotonic, since the boot
/// Of the whole tree one each, and the agent's, as CRIU is not told to make any. A restored tree
/// has its own for mounts, process numbers and time, which CRIU makes again.
constexpr auto kSharedNamespaces =
    std::to_array<std::string_view>({"cgroup", "ipc", "net", "user", "uts"});

// Of linux/magic.h only where old headers have them too.
constexpr std::uint64_t kMqueueMagic = 0x19800202;
constexpr std::uint64_t kCgroup2Magic = 0x63677270;

constexpr std::string_view kHugePages =
    "huge pages of hugetlbfs, which CRIU moves on no host that has not set as many aside; "
    "transparent huge pages move";
constexpr std::string_view kSecretMemory = "/secretmem";
constexpr std::string_view kSecret = "secret memory (memfd_secret), which nobody else can read";
constexpr std::string_view kAsyncIo =
    "asynchronous I/O of the kernel (io_setup), whose requests would be lost";

constexpr std::string_view kWithoutThem =
    "start the job with `cardswap run --arrive criu`, where workers of DataLoaders do without, or "
    "give those num_workers=0";

bool is_one_of(const auto& list, const auto& thing) {
  return std::ranges::find(list, thing) != list.end();
}
bool is_nvidia(std::string_view path) { return path.starts_with("/dev/nvidia"); }
bool is_gpu(std::string_view path) {
  return is_nvidia(path) || path.starts_with("/dev/dri/") || path.starts_with("/dev/kfd");
}
bool is_verbs(std::string_view path) { return path.starts_with("/dev/infiniband/"); }
bool is_terminal(std::string_view path) {
  return path.starts_with("/dev/pts/") || path.starts_with("/dev/tty") || path == "/dev/console" ||
         path == "/dev/ptmx";
}
/// Shared memory without a name, which the kernel shows as a deleted file.
bool is_unnamed_memory(std::string_view path) {
  return path == "/dev/zero" || path.starts_with("/memfd:");
}
/// What processes of Python's multiprocessing share, LibTorch's tensors included; empty: it is none
/// of that.
std::string_view of_multiprocessing(std::string_view deleted) {
  if (deleted.starts_with("/dev/shm/sem.")) return "semaphores";
  if (deleted.starts_with("/dev/shm/torch_")) return "tensors";
  return {};
}
bool is_of_multiprocessing(std::string_view socket) {
  return socket.find("/pymp-") != std::string_view::npos &&
         socket.find("/listener-") != std::string_view::npos;
}
bool is_network(std::string_view protocol) {
  return protocol == "TCP" || protocol == "TCPv6" || protocol == "UDP" || protocol == "UDPv6";
}
bool is_unix(std::string_view protocol) { return protocol.starts_with("UNIX"); }

/// "fanotify" of "anon_inode:[fanotify]".
std::string_view anonymous_name(std::string_view target) {
  target.remove_prefix(target.find(':') + 1);
  if (target.starts_with('[') && target.ends_with(']')) {
    target.remove_prefix(1);
    target.remove_suffix(1);
  }
  return target;
}

/// Files that are a view of the kernel or a program's handle to it, and no file to find elsewhere.
std::string_view special_file(const OpenDescriptor& thing) {
  switch (thing.file_system) {
    case kMqueueMagic: return "a POSIX message queue";
    case HUGETLBFS_MAGIC: return "a file of huge pages";
    case BPF_FS_MAGIC: return "a BPF object";
    case DEBUGFS_MAGIC: return "a file of the kernel's debugfs";
    case TRACEFS_MAGIC: return "a file of the kernel's tracing";
    case SECURITYFS_MAGIC: return "a file of the kernel's securityfs";
    case CGROUP_SUPER_MAGIC:
    case kCgroup2Magic: return "a file of a cgroup, which is another one there";
    default: return {};
  }
}

/// Collects each reason once, in order.
class Reasons {
 public:
  void add(std::string reason) {
    if (std::ranges::find(all_, reason) == all_.end()) all_.push_back(std::move(reason));
  }
  [[nodiscard]] std::vector<std::string> take() && { return std::move(all_); }

 private:
  std::vector<std::string> all_;
};

/// Which ends of a pipe the tree has.
struct Ends {
  bool read = false;
  bool write = false;
};

class Preflight {
 public:
  Preflight(const TreeFacts& tree, const GpuFindings& gpus, std::string_view network_fault)
      : tree_(tree), gpus_(gpus), network_fault_(network_fault) {
    for (const auto& process : tree.processes) {
      pids_.insert(process.pid);
      inner_pids_.insert(process.inner_pid);
      for (const auto& thing : process.open) {
        const auto pipe = inode_of(thing.target, "pipe");
        if (pipe == 0) continue;
        pipes_[pipe].read = pipes_[pipe].read || thing.reads;
        pipes_[pipe].write = pipes_[pipe].write || thing.writes;
      }
    }
  }

  std::vector<std::string> reasons() && {
    for (const auto& reason : gpus_.reasons) reasons_.add(reason);
    for (const auto& process : tree_.processes) examine(process);
    return std::move(reasons_).take();
  }

 private:
  void examine(const ProcessFacts& process) {
    who_ = fmt::format("process {} ({})", process.pid, process.name);
    pid_ = process.pid;
    is_root_ = &process == &tree_.processes.front();
    if (process.tracer != 0) say("is traced by process {}, a debugger?", process.tracer);
    if (process.tty != 0) say("has a terminal");
    if (!pids_.contains(process.session)) say("belongs to a session of a process outside the job");
    if (process.has_alarm_timer)
      say("has a timer that wakes the machine, which CRIU does not move");
    examine_place(process);
    examine_namespaces(process);
    for (const auto& mapping : process.mappings) {
      if (process.huge.contains(mapping.range)) {
        say("uses {}", kHugePages);
      } else {
        examine(mapping);
      }
    }
    for (const auto& thing : process.open) examine(thing);
  }

  void examine_place(const ProcessFacts& process) {
    if (process.root != "/") say("has {} for its root folder (chroot)", process.root);
    if (process.folder.ends_with(kDeleted)) {
      say("works in a folder that was deleted ({})", process.folder);
    } else if (process_in(process.folder).first != 0) {
      say("works in {}, a folder of a process", process.folder);
    }
  }

  void examine_namespaces(const ProcessFacts& process) {
    const auto& roots = tree_.processes.front().namespaces;
    for (const auto& [name, which] : process.namespaces) {
      if (name.ends_with("_for_children")) continue;
      if (!is_root_) {
        const auto root = roots.find(name);
        if (root != roots.end() && root->second != which) {
          say("has a namespace of its own ({}), which the job's first process has not", name);
        }
      } else if (is_one_of(kSharedNamespaces, name)) {
        const auto own = tree_.own_namespaces.find(name);
        if (own != tree_.own_namespaces.end() && own->second != which) {
          say("has a namespace of its own ({}), which the agent has not", name);
        }
      }
    }
  }

  void examine(const Mapping& mapping) {
    const auto& path = mapping.path;
    if (path.starts_with("/SYSV")) {
      say("uses System V shared memory");
    } else if (path.starts_with("anon_inode:[io_uring]")) {
      say("uses io_uring");
    } else if (path.starts_with("/anon_hugepage")) {
      say("uses {}", kHugePages);
    } else if (path == "/[aio]") {
      say("uses {}", kAsyncIo);
    } else if (path == kSecretMemory) {
      say("has {}", kSecret);
    } else if (is_device(path) || is_unnamed_memory(path)) {
      return;
    } else if (!path.starts_with('/')) {
      say("has {} mapped, which CRIU does not move", path);
    } else if (mapping.deleted && !of_multiprocessing(path).empty()) {
      say_of_multiprocessing(path);
    } else if (mapping.deleted) {
      say("has {} mapped, which was deleted or replaced", path);
    } else if (path.starts_with("/dev/") && !is_shared_memory_file(path)) {
      say("has the device {} mapped", path);
    }
  }

  void say_of_multiprocessing(std::string_view path) {
    say("shares {} with other processes by deleted files of /dev/shm, as Python's multiprocessing "
        "does: {}",
        of_multiprocessing(path), kWithoutThem);
  }

  void examine(const OpenDescriptor& thing) {
    using Kind = OpenDescriptor::Kind;
    const auto& path = thing.target;
    if (!thing.info.lock.empty()) {
      say("holds a lock ({}) on {} (fd {}): its copy would wait for it until the original ends, so "
          "the program has to let go of it",
          thing.info.lock, path, thing.fd);
    }
    if (path.starts_with("socket:")) return examine_socket(thing);
    if (const auto pipe = inode_of(path, "pipe"); pipe != 0) return examine_pipe(thing, pipe);
    if (path.starts_with("anon_inode:")) return examine_anonymous(thing);
    if (thing.is_log || is_device(path)) return;
    if (const auto special = special_file(thing); !special.empty()) {
      say("has {} open ({}, fd {}), which CRIU does not move", special, path, thing.fd);
    } else if (thing.deleted) {
      if (path == kSecretMemory) return say("has {}", kSecret);
      if (!of_multiprocessing(path).empty()) return say_of_multiprocessing(path);
      if (!is_unnamed_memory(path)) say("has {} open (fd {}), which was deleted", path, thing.fd);
    } else if (thing.kind == Kind::character) {
      const bool moves = thing.major == kMemoryMajor && is_one_of(kMovingMemoryMinors, thing.minor);
      if (!moves) say("has the device {} open", path);
    } else if (thing.kind == Kind::block) {
      say("has the device {} open", path);
    } else if (thing.kind == Kind::fifo) {
      say("has the named pipe {} open (fd {})", path, thing.fd);
    } else if (thing.file_system == PROC_SUPER_MAGIC) {
      examine_proc_file(thing);
    } else if (!path.starts_with('/') || !(thing.is_file() || thing.is_folder())) {
      say("has {} open (fd {}), which CRIU is not known to move", path, thing.fd);
    } else if (!thing.named) {
      say("has {} open (fd {}), and that name leads to something else or nowhere now", path,
          thing.fd);
    }
  }

  void examine_pipe(const OpenDescriptor& thing, std::uint64_t pipe) {
    const auto& ends = pipes_[pipe];
    if (!ends.read || !ends.write) say("has a pipe (fd {}) to another process", thing.fd);
    if (thing.packets) say("has a pipe (fd {}) that keeps writes apart (O_DIRECT)", thing.fd);
  }

  void examine_anonymous(const OpenDescriptor& thing) {
    const auto& path = thing.target;
    if (is_one_of(kMovingAnonymous, path)) return;
    if (path == "anon_inode:[timerfd]") {
      if (!is_one_of(kMovingClocks, thing.info.clock)) {
        say("has a timer (fd {}) of clock {}, which CRIU does not know", thing.fd,
            thing.info.clock);
      }
    } else if (path == "anon_inode:inotify") {
      if (thing.info.watches) {
        say("watches files with inotify (fd {}): those of another host are others", thing.fd);
      }
    } else if (path == "anon_inode:[pidfd]") {
      if (!pids_.contains(thing.info.pid)) {
        say("has a handle (pidfd, fd {}) of process {}, which is no part of the job", thing.fd,
            thing.info.pid);
      }
    } else if (path.starts_with("anon_inode:[io_uring]")) {
      say("uses io_uring");
    } else {
      say("has {} open (fd {}), which CRIU does not move", anonymous_name(path), thing.fd);
    }
  }

  /// Its own process' files are found again, because its number goes along.
  void examine_proc_file(const OpenDescriptor& thing) {
    const auto& path = thing.target;
    const auto [pid, rest] = process_in(path);
    if (pid != 0 && !inner_pids_.contains(pid)) {
      say("has {} open (fd {}), of a process that is no part of the job; close it after reading",
          path, thing.fd);
    } else if (rest.starts_with("/task/") && !rest.starts_with(fmt::format("/task/{}/", pid))) {
      say("has {} open (fd {}), of a thread; close it after reading", path, thing.fd);
    } else if (!path.starts_with("/proc/") && path != "/proc") {
      say("has {} open (fd {}), of another /proc", path, thing.fd);
    }
  }

  void examine_socket(const OpenDescriptor& thing) {
    const auto inode = inode_of(thing.target, "socket");
    if (tree_.our_sockets.contains(inode)) return;
    if (tree_.unix_to_outside.contains(inode)) {
      return say("is connected to another process by a unix socket (fd {})", thing.fd);
    }
    for (const auto& socket : tree_.inet) {
      if (socket.inode != inode) continue;
      if (!socket.remote.empty()) return say("is connected to {}", socket.remote);
      if (socket.listens || socket.local_port != 0) {
        return say("listens on port {}", socket.local_port);
      }
    }
    if (is_network(thing.protocol)) {
      if (!network_fault_.empty()) {
        say("has a {} socket open (fd {}), and {}", thing.protocol, thing.fd, network_fault_);
      }
    } else if (thing.info.files_under_way != 0) {
      say("has a unix socket in which open files are on their way (fd {})", thing.fd);
    } else if (is_unix(thing.protocol)) {
      const auto name = tree_.unix_names.find(inode);
      if (name == tree_.unix_names.end() || is_drivers(name->second)) return;
      if (is_of_multiprocessing(name->second)) {
        say("hands tensors over by a unix socket that others may call ({}), as Python's "
            "multiprocessing does: {}",
            name->second, kWithoutThem);
      } else {
        say("has a unix socket that others may call ({}, fd {})", name->second, thing.fd);
      }
    } else if (thing.protocol == "NETLINK") {
      if (!tree_.netlink_bound.contains(inode)) return;
      say("talks to the kernel over a netlink socket (fd {}), whose address its copy cannot have",
          thing.fd);
    } else {
      say("has a socket (fd {}) of {}, which CRIU is not known to move", thing.fd,
          thing.protocol.empty() ? "an unknown protocol" : "the protocol " + thing.protocol);
    }
  }

  /// libcuda has one in each process, and closes it when it saves the process's state.
  [[nodiscard]] bool is_drivers(std::string_view name) const {
    return name.starts_with("@cuda-uvmfd-") && gpus_.saved.contains(pid_);
  }

  /// True when that is all there is to say about the path.
  bool is_device(std::string_view path) {
    if (is_verbs(path)) {
      say("has an RDMA device open ({})", path);
    } else if (is_gpu(path)) {
      examine_gpu(path);
    } else if (is_terminal(path)) {
      say("has the terminal {} open", path);
    } else {
      return false;
    }
    return true;
  }

  void examine_gpu(std::string_view path) {
    const bool driver = is_nvidia(path) && gpus_.no_driver.empty();
    if (driver && gpus_.saved.contains(pid_)) return;
    if (!is_root_) {
      // A forked worker: its parent's descriptors keep the GPU open, and no driver knows of it.
      say("is a child of the job that has a GPU open ({}): it would have to end first", path);
    } else if (const auto why = gpus_.without_state.find(pid_);
               driver && why != gpus_.without_state.end()) {
      say("has a GPU open ({}), and its driver does not save what is on it: {}", path, why->second);
    } else {
      say("has a GPU open ({}), and nothing here saves what is on it{}", path,
          is_nvidia(path) && !gpus_.no_driver.empty() ? ": " + gpus_.no_driver : "");
    }
  }

  template <class... Values>
  void say(fmt::format_string<Values...> text, Values&&... values) {
    reasons_.add(who_ + " " + fmt::format(text, std::forward<Values>(values)...));
  }

  const TreeFacts& tree_;
  const GpuFindings& gpus_;
  const std::string_view network_fault_;
  std::set<pid_t> pids_;
  std::set<pid_t> inner_pids_;
  std::map<std::uint64_t, Ends> pipes_;
  std::string who_;
  pid_t pid_ = 0;
  bool is_root_ = false;
  Reasons reasons_;
};

}  // namespace

std::vector<std::string> reasons_to_stay(const TreeFacts& tree, const GpuFindings& gpus,
                                         std::string_view network_fault) {
  return Preflight(tree, gpus, network_fault).reasons();
}

}  // namespace cardswap::criu
