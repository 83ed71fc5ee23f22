#include "agent/criu/facts/proc_text.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <sstream>

#include "agent/base/text_parts.h"

namespace cardswap::criu {
namespace {

constexpr unsigned kTcpListen = 0x0A;

/// Calls `with` for each line.
template <class With>
void each_line(std::string_view text, With with) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    with(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

struct Address {
  std::string host;
  std::uint16_t port = 0;
};
/// "0100007F:1F90", as the kernel prints it: words in the machine's order, ports in hexadecimal.
std::optional<Address> parse_address(std::string_view text) {
  const auto colon = text.find(':');
  if (colon != 8 && colon != 32) return std::nullopt;
  const auto port = number_in<std::uint16_t>(text.substr(colon + 1), 16);
  std::array<std::uint32_t, 4> words{};
  for (std::size_t i = 0; i < colon / 8; ++i) {
    const auto word = number_in<std::uint32_t>(text.substr(8 * i, 8), 16);
    if (!word) return std::nullopt;
    words.at(i) = *word;
  }
  if (!port) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> host{};
  const bool is_v6 = colon == 32;
  ::inet_ntop(is_v6 ? AF_INET6 : AF_INET, words.data(), host.data(), host.size());
  return Address{is_v6 ? fmt::format("[{}]", host.data()) : std::string(host.data()), *port};
}

/// What compilers and libraries choose code by; the rest of the flags is the kernel's business.
bool is_instruction_set(std::string_view flag) {
  constexpr auto kPrefixes = std::to_array<std::string_view>(
      {"sse", "ssse", "avx", "amx", "bmi", "xsave", "sha", "vaes", "vpcl", "asimd", "sve"});
  constexpr auto kNames = std::to_array<std::string_view>(
      {"pni",   "fma",        "fma4",    "f16c",  "aes",      "pclmulqdq", "movbe",   "popcnt",
       "adx",   "rdrand",     "rdseed",  "gfni",  "lzcnt",    "abm",       "cx16",    "erms",
       "fsrm",  "rtm",        "hle",     "pku",   "rdpid",    "serialize", "movdiri", "movdir64b",
       "clwb",  "clflushopt", "lahf_lm", "3dnow", "3dnowext", "tbm",       "xop",     "fp",
       "pmull", "sm3",        "sm4",     "crc32", "atomics",  "fphp",      "jscvt",   "fcma",
       "lrcpc", "dcpop",      "i8mm",    "bf16",  "bti",      "rng",       "flagm"});
  return std::ranges::any_of(kPrefixes, [&](auto prefix) { return flag.starts_with(prefix); }) ||
         std::ranges::find(kNames, flag) != kNames.end();
}

/// "[heap]", and anonymous memory that a program has given a name.
bool is_usual(std::string_view mapping) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"[heap]", "[stack]", "[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]"});
  return std::ranges::find(kNames, mapping) != kNames.end() || mapping.starts_with("[anon:") ||
         mapping.starts_with("[anon_shmem:");
}

/// Fields 6 and 7 of /proc/PID/stat.
std::array<int, 2> session_and_tty(std::string_view text) {
  const auto name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return {};
  std::istringstream rest(std::string(text.substr(name_end + 1)));
  std::string state;
  int parent = 0;
  int group = 0;
  int session = 0;
  int tty = 0;
  if (!(rest >> state >> parent >> group >> session >> tty)) return {};
  return {session, tty};
}

}  // namespace

std::vector<Mapping> parse_maps(std::string_view text) {
  std::vector<Mapping> result;
  each_line(text, [&](std::string_view line) {
    // address perms offset dev inode [path]; the path may hold spaces.
    std::array<std::string_view, 5> fields;
    for (auto& field : fields) {
      const auto space = line.find(' ');
      if (space == std::string_view::npos) return;
      field = line.substr(0, space);
      line = line.substr(space);
      const auto next = line.find_first_not_of(' ');
      line = next == std::string_view::npos ? std::string_view() : line.substr(next);
    }
    if (line.empty() || fields[1].size() != 4 || is_usual(line)) return;
    Mapping mapping;
    mapping.range = fields[0];
    mapping.deleted = line.ends_with(kDeleted);
    if (mapping.deleted) line.remove_suffix(kDeleted.size());
    mapping.path = line;
    mapping.executable = fields[1][2] == 'x';
    mapping.shared = fields[1][3] == 's';
    result.push_back(std::move(mapping));
  });
  return result;
}

std::map<std::string, std::string, std::less<>> parse_status(std::string_view text) {
  std::map<std::string, std::string, std::less<>> result;
  each_line(text, [&](std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return;
    result.emplace(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  });
  return result;
}

int tty_in_stat(std::string_view text) { return session_and_tty(text)[1]; }
int session_in_stat(std::string_view text) { return session_and_tty(text)[0]; }

DescriptorInfo parse_descriptor(std::string_view text) {
  DescriptorInfo info;
  each_line(text, [&](std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return;
    const auto key = line.substr(0, colon);
    const auto value = trimmed(line.substr(colon + 1));
    if (key == "flags") {
      info.flags = number_in<int>(value, 8).value_or(0);
    } else if (key == "lock") {  // "1: FLOCK  ADVISORY  WRITE 4711 00:2d:12 0 EOF"
      std::istringstream words{std::string(value)};
      std::string number;
      words >> number >> info.lock;
      if (info.lock.empty()) info.lock = "?";
    } else if (key == "clockid") {
      info.clock = number_in<int>(value).value_or(-1);
    } else if (key == "inotify wd" || (key.starts_with("fanotify") && key != "fanotify flags")) {
      info.watches = true;
    } else if (key == "scm_fds") {
      info.files_under_way = number_in<int>(value).value_or(1);
    } else if (key == "Pid") {
      info.pid = number_in<int>(value).value_or(-1);
    }
  });
  return info;
}

bool has_alarm_timer(std::string_view text) {
  constexpr int kRealtimeAlarm = 8;
  constexpr int kBoottimeAlarm = 9;
  bool found = false;
  each_line(text, [&](std::string_view line) {
    if (!line.starts_with("ClockID:")) return;
    const auto clock = number_in<int>(trimmed(line.substr(8)));
    found = found || clock == kRealtimeAlarm || clock == kBoottimeAlarm;
  });
  return found;
}

std::map<std::uint64_t, std::string> parse_unix_names(std::string_view text) {
  std::map<std::uint64_t, std::string> names;
  each_line(text, [&](std::string_view line) {
    // Num RefCount Protocol Flags Type St Inode Path
    std::istringstream words{std::string(line)};
    std::string pointer, references, protocol, flags, type, state, inode, name;
    words >> pointer >> references >> protocol >> flags >> type >> state >> inode;
    std::getline(words >> std::ws, name);
    const auto number = number_in<std::uint64_t>(inode);
    if (number && !name.empty()) names[*number] = name;
  });
  return names;
}

std::vector<std::uint64_t> parse_netlink_sockets(std::string_view text) {
  std::vector<std::uint64_t> inodes;
  each_line(text, [&](std::string_view line) {
    const auto last = line.find_last_of(' ', line.find_last_not_of(" \t"));
    if (last == std::string_view::npos) return;
    const auto number = number_in<std::uint64_t>(trimmed(line.substr(last)));
    if (number && *number != 0) inodes.push_back(*number);
  });
  return inodes;
}

std::vector<InetSocket> parse_inet_sockets(std::string_view text, bool is_tcp) {
  std::vector<InetSocket> result;
  each_line(text, [&](std::string_view line) {
    std::istringstream words{std::string(line)};
    std::string slot, local, remote, state, queues, timer, retransmits, user, timeout, inode;
    words >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> user >>
        timeout >> inode;
    const auto from = parse_address(local);
    const auto to = parse_address(remote);
    const auto number = number_in<std::uint64_t>(inode);
    if (!words || !from || !to || !number) return;
    InetSocket socket;
    socket.inode = *number;
    socket.local_port = from->port;
    if (to->port != 0) socket.remote = fmt::format("{}:{}", to->host, to->port);
    socket.listens = is_tcp && number_in<unsigned>(state, 16) == kTcpListen;
    result.push_back(std::move(socket));
  });
  return result;
}

std::vector<std::string> cpu_features(std::string_view cpuinfo) {
  std::vector<std::string> result;
  each_line(cpuinfo, [&](std::string_view line) {
    if (!result.empty() || !(line.starts_with("flags") || line.starts_with("Features"))) return;
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return;
    std::istringstream flags{std::string(line.substr(colon + 1))};
    for (std::string flag; flags >> flag;) {
      if (is_instruction_set(flag)) result.push_back(flag);
    }
  });
  std::ranges::sort(result);
  return result;
}

}  // namespace cardswap::criu
