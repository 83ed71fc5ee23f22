#include "agent/criu/preflight.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace cardswap::criu {
namespace {

constexpr auto kHarmlessDevices = std::to_array<std::string_view>(
    {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"});
constexpr auto kHarmlessAnonymous = std::to_array<std::string_view>(
    {"anon_inode:[eventfd]", "anon_inode:[eventpoll]", "anon_inode:[timerfd]",
     "anon_inode:[signalfd]", "anon_inode:inotify", "anon_inode:[pidfd]"});

bool is_one_of(const auto& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
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

class Examination {
 public:
  Examination(const TreeFacts& tree, const GpuFindings& gpus) : tree_(tree), gpus_(gpus) {
    for (const auto& process : tree.processes) {
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
    for (const auto& mapping : process.mappings) examine(mapping);
    for (const auto& thing : process.open) examine(thing);
  }

  void examine(const Mapping& mapping) {
    const auto& path = mapping.path;
    if (path.starts_with("/SYSV")) {
      say("uses System V shared memory");
    } else if (path.starts_with("anon_inode:[io_uring]")) {
      say("uses io_uring");
    } else if (is_device(path)) {
      return;
    } else if (mapping.deleted && !is_unnamed_memory(path)) {
      say("has {} mapped, which was deleted or replaced", path);
    }
  }

  void examine(const OpenThing& thing) {
    const auto& path = thing.target;
    if (path.starts_with("socket:")) return examine_socket(inode_of(path, "socket"));
    if (const auto pipe = inode_of(path, "pipe"); pipe != 0) {
      const auto& ends = pipes_[pipe];
      if (!ends.read || !ends.write) say("has a pipe (fd {}) to another process", thing.fd);
      return;
    }
    if (path.starts_with("anon_inode:")) {
      if (path.starts_with("anon_inode:[io_uring]")) {
        say("uses io_uring");
      } else if (!is_one_of(kHarmlessAnonymous, path)) {
        say("has {} open (fd {}), which CRIU does not move", path, thing.fd);
      }
      return;
    }
    if (is_device(path) || is_one_of(kHarmlessDevices, path)) return;
    if (thing.deleted && !is_unnamed_memory(path)) {
      say("has {} open (fd {}), which was deleted", path, thing.fd);
    } else if (path.starts_with("/dev/") && !thing.is_file && !thing.is_folder) {
      say("has the device {} open", path);
    }
  }

  void examine_socket(std::uint64_t inode) {
    if (tree_.our_sockets.contains(inode)) return;
    if (tree_.unix_to_outside.contains(inode)) {
      say("is connected to another process by a unix socket");
    }
    for (const auto& socket : tree_.inet) {
      if (socket.inode != inode) continue;
      if (!socket.remote.empty()) {
        say("is connected to {}", socket.remote);
      } else if (socket.listens || socket.local_port != 0) {
        say("listens on port {}", socket.local_port);
      }
    }
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
  std::map<std::uint64_t, Ends> pipes_;
  std::string who_;
  pid_t pid_ = 0;
  bool is_root_ = false;
  Reasons reasons_;
};

}  // namespace

std::vector<std::string> reasons_to_stay(const TreeFacts& tree, const GpuFindings& gpus) {
  return Examination(tree, gpus).reasons();
}

std::vector<NeededFile> files_needed(const TreeFacts& tree) {
  std::map<std::string, NeededFile> found;
  for (const auto& process : tree.processes) {
    for (const auto& mapping : process.mappings) {
      const bool is_file = mapping.path.starts_with('/') && !mapping.deleted &&
                           !mapping.path.starts_with("/dev/") && !mapping.path.starts_with("/SYSV");
      if (is_file) found.emplace(mapping.path, NeededFile{mapping.path, NeededFile::Use::mapped});
    }
    for (const auto& thing : process.open) {
      if (thing.deleted || thing.is_log || !(thing.is_file || thing.is_folder)) continue;
      const auto use = thing.is_folder ? NeededFile::Use::folder
                       : thing.writes  ? NeededFile::Use::written
                                       : NeededFile::Use::read;
      found.emplace(thing.target, NeededFile{thing.target, use, thing.bytes, {}});
    }
  }
  std::vector<NeededFile> result;
  for (auto& [path, file] : found) result.push_back(std::move(file));
  return result;
}

std::string_view to_string(NeededFile::Use use) {
  switch (use) {
    case NeededFile::Use::mapped: return "mapped";
    case NeededFile::Use::read: return "read";
    case NeededFile::Use::written: return "written";
    case NeededFile::Use::folder: return "folder";
  }
  return "?";
}

}  // namespace cardswap::criu
