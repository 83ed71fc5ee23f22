#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "migrator/core/digest.h"

namespace cardswap {

/// A digest that the processes of one host have in common: over the boot's id and the namespaces of
/// processes and of the network. Two containers of one machine that each have a network of their
/// own count as two hosts. None: the kernel does not tell these.
[[nodiscard]] std::optional<Digest> host_of_this_process();

/// A random number that a process keeps at a fixed address. A peer that reads the same number at
/// the same address of a process knows that this is the process that drew the number.
using Proof = std::array<std::byte, 16>;
/// Throws Error{io} when the kernel has no random bytes.
[[nodiscard]] Proof draw_proof();

/// Reads the memory of another process of this host. Each read checks the proof in the same system
/// call, so it never takes bytes of a later process that got the same pid. One thread or several.
class PeerMemory {
 public:
  PeerMemory(std::int32_t pid, std::uint64_t proof_at, const Proof& proof)
      : pid_(pid), proof_at_(proof_at), proof_(proof) {}
  /// Whether that process is there and can be read.
  [[nodiscard]] bool is_there() const;
  /// Fills `into` from `address`; the bytes may change meanwhile. False: not all of `into` was
  /// filled, because the process or the address is gone or the kernel does not allow the read.
  [[nodiscard]] bool read(std::uint64_t address, std::span<std::byte> into) const;

 private:
  [[nodiscard]] std::optional<std::size_t> read_some(std::uint64_t address,
                                                     std::span<std::byte> into) const;

  std::int32_t pid_;
  std::uint64_t proof_at_;
  Proof proof_;
};

/// Whether `transports` (LinkOptions::transports) allow processes of one host to read each other's
/// memory. Empty: the environment's UCX_TLS decides, and without UCX_TLS they may.
[[nodiscard]] bool may_share_memory(std::string_view transports);

}  // namespace cardswap
