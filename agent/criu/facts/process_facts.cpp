#include "agent/criu/facts/process_facts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <array>
#include <charconv>
#include <cstdlib>

#include "agent/criu/facts/proc_files.h"
#include "agent/criu/facts/proc_text.h"
#include "agent/criu/facts/same_file.h"
#include "agent/process/process_tree.h"

namespace cardswap::criu {
namespace {

OpenDescriptor::Kind kind_of(mode_t mode) {
  using Kind = OpenDescriptor::Kind;
  if (S_ISREG(mode)) return Kind::file;
  if (S_ISDIR(mode)) return Kind::folder;
  if (S_ISCHR(mode)) return Kind::character;
  if (S_ISBLK(mode)) return Kind::block;
  if (S_ISFIFO(mode)) return Kind::fifo;
  if (S_ISSOCK(mode)) return Kind::socket;
  return Kind::other;
}

/// The kernel's name of a socket's protocol, also of one that no table in /proc/net has yet.
std::string protocol_of(const std::filesystem::path& descriptor) {
  std::array<char, 64> name{};
  const auto got =
      ::getxattr(descriptor.c_str(), "system.sockprotoname", name.data(), name.size() - 1);
  return got > 0 ? std::string(name.data()) : std::string();
}

OpenDescriptor read_open(const std::filesystem::path& process, const std::string& number,
                         const struct stat& log) {
  OpenDescriptor thing;
  const auto descriptor = process / "fd" / number;
  thing.fd = std::stoi(number);
  thing.target = link_of(descriptor);
  thing.deleted = thing.target.ends_with(kDeleted);
  if (thing.deleted) thing.target.resize(thing.target.size() - kDeleted.size());
  const auto info = text_of(process / "fdinfo" / number);
  // Links call it like any other eventfd, and CRIU makes it one.
  if (info.find("\neventfd-semaphore: 1\n") != std::string::npos) {
    thing.target = "anon_inode:[eventfd that is a semaphore]";
  }
  thing.info = parse_descriptor(info);
  const int access = thing.info.flags & O_ACCMODE;
  thing.reads = access != O_WRONLY;
  thing.writes = access != O_RDONLY;
  thing.packets = (thing.info.flags & O_DIRECT) != 0;
  struct stat about {};
  if (::stat(descriptor.c_str(), &about) != 0) return thing;
  thing.kind = kind_of(about.st_mode);
  thing.bytes = static_cast<std::uint64_t>(about.st_size);
  thing.major = major(about.st_rdev);
  thing.minor = minor(about.st_rdev);
  thing.is_log = log.st_ino != 0 && is_same_file(about, log);
  if (thing.kind == OpenDescriptor::Kind::socket) thing.protocol = protocol_of(descriptor);
  struct statfs where {};
  if (::statfs(descriptor.c_str(), &where) == 0) {
    thing.file_system = static_cast<std::uint64_t>(where.f_type);
  }
  struct stat by_name {};
  thing.named = !thing.deleted && thing.target.starts_with('/') &&
                ::lstat((process / "root" / thing.target.substr(1)).c_str(), &by_name) == 0 &&
                is_same_file(about, by_name);
  return thing;
}

std::map<std::string, std::string> read_namespaces(const std::filesystem::path& process) {
  std::map<std::string, std::string> found;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(process / "ns", gone)) {
    auto which = link_of(entry.path());  // a zombie has none any more
    if (!which.empty()) found[entry.path().filename().string()] = std::move(which);
  }
  return found;
}

/// A memfd of huge pages is called like any other.
std::set<std::string> huge_ranges(const std::filesystem::path& process,
                                  const std::vector<Mapping>& mappings) {
  std::set<std::string> huge;
  for (const auto& mapping : mappings) {
    if (!mapping.path.starts_with("/memfd:")) continue;
    struct statfs where {};
    const auto file = process / "map_files" / mapping.range;
    if (::statfs(file.c_str(), &where) == 0 && where.f_type == HUGETLBFS_MAGIC) {
      huge.insert(mapping.range);
    }
  }
  return huge;
}

}  // namespace

std::uint64_t inode_of(std::string_view target, std::string_view kind) {
  if (!target.starts_with(kind) || !target.ends_with("]")) return 0;
  target.remove_prefix(kind.size());
  if (!target.starts_with(":[")) return 0;
  std::uint64_t inode = 0;
  (void)std::from_chars(target.data() + 2, target.data() + target.size() - 1, inode);
  return inode;
}

ProcessFacts read_process(const std::filesystem::path& proc, pid_t pid,
                          const std::filesystem::path& log) {
  const auto process = proc / std::to_string(pid);
  ProcessFacts facts;
  facts.pid = pid;
  const auto status = parse_status(text_of(process / "status"));
  if (const auto name = status.find("Name"); name != status.end()) facts.name = name->second;
  if (const auto tracer = status.find("TracerPid"); tracer != status.end()) {
    facts.tracer = std::atoi(tracer->second.c_str());
  }
  facts.inner_pid = pid;
  if (const auto pids = status.find("NSpid"); pids != status.end()) {
    if (const auto inner = innermost_pid_in(pids->second); inner > 0) facts.inner_pid = inner;
  }
  const auto stat_text = text_of(process / "stat");
  facts.tty = tty_in_stat(stat_text);
  facts.session = session_in_stat(stat_text);
  facts.has_alarm_timer = has_alarm_timer(text_of(process / "timers"));
  facts.folder = link_of(process / "cwd");
  if (auto root = link_of(process / "root"); !root.empty()) facts.root = std::move(root);
  facts.namespaces = read_namespaces(process);
  facts.mappings = parse_maps(text_of(process / "maps"));
  facts.huge = huge_ranges(process, facts.mappings);
  struct stat log_file {};
  if (log.empty() || ::stat(log.c_str(), &log_file) != 0) log_file.st_ino = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(process / "fd", gone)) {
    const auto number = entry.path().filename().string();
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    facts.open.push_back(read_open(process, number, log_file));
  }
  return facts;
}

TreeFacts read_tree(const std::filesystem::path& proc, const std::vector<pid_t>& pids,
                    const std::filesystem::path& log) {
  TreeFacts tree;
  for (const auto pid : pids) {
    auto facts = read_process(proc, pid, log);
    if (!facts.name.empty()) tree.processes.push_back(std::move(facts));
  }
  if (pids.empty()) return tree;
  tree.own_namespaces = read_namespaces(proc / "self");
  const auto net = proc / std::to_string(pids.front()) / "net";
  tree.unix_names = parse_unix_names(text_of(net / "unix"));
  const auto bound = parse_netlink_sockets(text_of(net / "netlink"));
  tree.netlink_bound = {bound.begin(), bound.end()};
  for (const auto* table : {"tcp", "tcp6", "udp", "udp6"}) {
    const bool is_tcp = std::string_view(table).starts_with("tcp");
    for (auto& socket : parse_inet_sockets(text_of(net / table), is_tcp)) {
      tree.inet.push_back(std::move(socket));
    }
  }
  return tree;
}

}  // namespace cardswap::criu
