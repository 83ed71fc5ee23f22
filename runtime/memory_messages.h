#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/core/digest.h"

/// The protocol by which arenas are handed over on one host: between a trainer and the custodian
/// that holds them while the trainer is dumped, and between the holder that received them and the
/// restored trainer.
///
/// The messages are packets of a unix seqpacket socket: a u8 number (index in `Message` plus 1) and
/// the fields in this order. Keep and Memory carry one file for each piece, in order: the packet
/// itself carries as many as fit, and Files packets after it carry the others. Keep is answered by
/// Kept or Refused; Fetch by Memory or Refused. After Memory the receiver sends Done, and the
/// holder ends.
namespace cardswap::memory_transfer {

inline constexpr std::size_t kPiecesMax = 1024;  ///< of all arenas together
inline constexpr std::size_t kArenasMax = 64;
inline constexpr std::size_t kFilesAtOnce = 128;  ///< in one packet; the kernel allows 253

/// An arena without its files.
struct ArenaOutline {
  std::string device;                ///< as the job counts devices: "cpu", "cuda:0"
  std::uint64_t base = 0;            ///< the address of the arena
  std::vector<std::uint64_t> bytes;  ///< of each piece
  bool operator==(const ArenaOutline&) const = default;
};

/// Gives a custodian these arenas.
struct Keep {
  std::vector<ArenaOutline> arenas;
  bool operator==(const Keep&) const = default;
};
/// Answer to Keep: the custodian has them.
struct Kept {
  bool operator==(const Kept&) const = default;
};
/// Asks for the arenas of a migration.
struct Fetch {
  std::string migration;
  std::string token;  ///< empty to a custodian, which knows its trainer's pid
  bool operator==(const Fetch&) const = default;
};
/// Answer to Fetch: the arenas, and what their bytes must be.
struct Memory {
  std::vector<ArenaOutline> arenas;
  Digest state_digest;
  std::uint64_t step = 0;
  std::int64_t last_step_end_ns = 0;  ///< when the source's last step ended, on the sender's clock
  std::int64_t clock_error_ns = 0;    ///< by which that may be wrong, at most
  std::int64_t now_ns = 0;            ///< the sender's clock now; the receiver's may differ
  bool operator==(const Memory&) const = default;
};
/// Ends the holder: the memory is mapped.
struct Done {
  bool operator==(const Done&) const = default;
};
/// Answer to a request that was not carried out, and the reason.
struct Refused {
  Code code = Code::refused;
  std::string failure;
  std::string hint;
  bool operator==(const Refused&) const = default;
};
/// More files of the previous message.
struct Files {
  bool operator==(const Files&) const = default;
};
using Message = std::variant<Keep, Kept, Fetch, Memory, Done, Refused, Files>;

[[nodiscard]] std::vector<std::byte> encode(const Message& message);
/// Throws Error{bad_request} for bytes that are not exactly one message.
[[nodiscard]] Message decode(std::span<const std::byte> packet);

}  // namespace cardswap::memory_transfer
