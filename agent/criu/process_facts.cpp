#include "agent/criu/process_facts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <charconv>
#include <fstream>

namespace cardswap::criu {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// "flags:\t0100001" of /proc/PID/fdinfo/FD, in octal.
int open_flags(const std::filesystem::path& fdinfo) {
  const auto fields = parse_status(text_of(fdinfo));
  const auto found = fields.find("flags");
  if (found == fields.end()) return O_RDONLY;
  int flags = 0;
  const auto& digits = found->second;
  (void)std::from_chars(digits.data(), digits.data() + digits.size(), flags, 8);
  return flags;
}

OpenThing read_open(const std::filesystem::path& process, const std::string& number,
                    const struct stat& log) {
  OpenThing thing;
  std::error_code gone;
  thing.fd = std::stoi(number);
  thing.target = std::filesystem::read_symlink(process / "fd" / number, gone).string();
  thing.deleted = thing.target.ends_with(kDeleted);
  if (thing.deleted) thing.target.resize(thing.target.size() - kDeleted.size());
  const int access = open_flags(process / "fdinfo" / number) & O_ACCMODE;
  thing.reads = access != O_WRONLY;
  thing.writes = access != O_RDONLY;
  struct stat about {};
  if (::stat((process / "fd" / number).c_str(), &about) == 0) {
    thing.is_file = S_ISREG(about.st_mode);
    thing.is_folder = S_ISDIR(about.st_mode);
    thing.bytes = static_cast<std::uint64_t>(about.st_size);
    thing.is_log = log.st_ino != 0 && about.st_dev == log.st_dev && about.st_ino == log.st_ino;
  }
  return thing;
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
  facts.tty = tty_in_stat(text_of(process / "stat"));
  facts.mappings = parse_maps(text_of(process / "maps"));
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
  const auto net = proc / std::to_string(pids.front()) / "net";
  for (const auto* table : {"tcp", "tcp6", "udp", "udp6"}) {
    const bool is_tcp = std::string_view(table).starts_with("tcp");
    for (auto& socket : parse_inet_sockets(text_of(net / table), is_tcp)) {
      tree.inet.push_back(std::move(socket));
    }
  }
  return tree;
}

}  // namespace cardswap::criu
