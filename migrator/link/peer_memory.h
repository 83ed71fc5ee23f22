#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "migrator/core/digest.h"

namespace cardswap {

/// Where this process is to be found by others of its host: they share what `host` is a digest of,
/// the boot, and the namespaces of processes and of the network. None where the kernel does not
/// tell. Two containers of one machine with a network each are two hosts.
[[nodiscard]] std::optional<Digest> host_of_this_process();

/// A number that nobody can guess, at an address of its own: whoever reads the same number at the
/// same address of a process has found the one that has drawn it.
using Proof = std::array<std::byte, 16>;
[[nodiscard]] Proof draw_proof();

/// Reads the memory of another process of this host. Each read proves anew, in one call of the
/// kernel, that it reads the process that drew the proof, and not a later one with the same pid.
class PeerMemory {
 public:
  PeerMemory(std::int32_t pid, std::uint64_t proof_at, const Proof& proof)
      : pid_(pid), proof_at_(proof_at), proof_(proof) {}
  /// Whether that process can be read.
  [[nodiscard]] bool is_there() const;
  /// What is there may change meanwhile. False when not all of it could be read: `into` is to be
  /// filled by other means then. There is no such process or address any more, or the kernel does
  /// not allow it.
  [[nodiscard]] bool read(std::uint64_t address, std::span<std::byte> into) const;

 private:
  [[nodiscard]] std::optional<std::size_t> read_some(std::uint64_t address,
                                                     std::span<std::byte> into) const;

  std::int32_t pid_;
  std::uint64_t proof_at_;
  Proof proof_;
};

/// Whether `transports`, UCX_TLS as LinkOptions has them, let processes of one host reach each
/// other's memory. Empty: as the environment's UCX_TLS says, and where there is none they do.
[[nodiscard]] bool may_share_memory(std::string_view transports);

}  // namespace cardswap
