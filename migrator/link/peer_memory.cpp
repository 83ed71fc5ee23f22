#include "migrator/link/peer_memory.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

/// UCX's names of what is memory of one host, or has it in it.
constexpr std::array<std::string_view, 4> kSharing{"cma", "sm", "shm", "all"};

/// 0: not known.
std::uint64_t namespace_number(const char* path) {
  struct stat about {};
  return ::stat(path, &about) == 0 ? about.st_ino : 0;
}

bool names_sharing(std::string_view list) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (std::ranges::find(kSharing, list.substr(0, comma)) != kSharing.end()) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

}  // namespace

std::optional<Digest> host_of_this_process() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  const auto processes = namespace_number("/proc/self/ns/pid");
  const auto network = namespace_number("/proc/self/ns/net");
  if (boot.empty() || processes == 0 || network == 0) return std::nullopt;
  const auto text = fmt::format("{} {} {}", boot, processes, network);
  return digest_of(std::as_bytes(std::span(text)));
}

Proof draw_proof() {
  Proof proof{};
  if (::getrandom(proof.data(), proof.size(), 0) != static_cast<ssize_t>(proof.size())) {
    throw Error(Code::io, "the kernel gives no random numbers");
  }
  return proof;
}

bool PeerMemory::is_there() const { return read_some(0, {}).has_value(); }

bool PeerMemory::read(std::uint64_t address, std::span<std::byte> into) const {
  while (!into.empty()) {
    const auto size = read_some(address, into);
    if (!size || *size == 0) return false;
    address += *size;
    into = into.subspan(*size);
  }
  return true;
}

std::optional<std::size_t> PeerMemory::read_some(std::uint64_t address,
                                                 std::span<std::byte> into) const {
  if (pid_ <= 0) return std::nullopt;
  Proof found{};
  const std::array<iovec, 2> here{{{found.data(), found.size()}, {into.data(), into.size()}}};
  // NOLINTBEGIN(performance-no-int-to-ptr): addresses of the other process
  const std::array<iovec, 2> there{{{reinterpret_cast<void*>(proof_at_), found.size()},
                                    {reinterpret_cast<void*>(address), into.size()}}};
  // NOLINTEND(performance-no-int-to-ptr)
  const std::size_t parts = into.empty() ? 1 : 2;
  const auto read = ::process_vm_readv(pid_, here.data(), parts, there.data(), parts, 0);
  if (read < static_cast<ssize_t>(found.size()) || found != proof_) return std::nullopt;
  return static_cast<std::size_t>(read) - found.size();
}

bool may_share_memory(std::string_view transports) {
  if (transports.empty()) {
    const char* own = std::getenv("UCX_TLS");  // NOLINT(concurrency-mt-unsafe)
    if (own != nullptr) transports = own;
  }
  transports = transports.substr(0, transports.find('@'));
  if (transports.empty()) return true;
  if (transports.starts_with('^')) return !names_sharing(transports.substr(1));
  return names_sharing(transports);
}

}  // namespace cardswap
