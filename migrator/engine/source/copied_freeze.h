#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "migrator/engine/source/context/source_context.h"
#include "migrator/engine/source/sending/frozen_copy.h"

namespace cardswap {

/// The freeze of a snapshot: the program stands only until what the target lacks is copied, and
/// goes on while the copy is sent (docs/decisions/039).
///
/// What a step leaves as it is goes ahead, while the program trains; what it changes does not, for
/// it would go again. One object for each migration; the engine's thread. Calls that wait throw as
/// ConnectionToTarget's do, and what a device throws.
class CopiedFreeze {
 public:
  /// `source` outlives this.
  explicit CopiedFreeze(SourceContext& source) : source_(source) {}

  /// Sends what no step changes, if `ahead`, and takes memory for a copy of the rest,
  /// SourceOptions::copy_bytes_max at most, while the program trains. Returns how many bytes will
  /// find no room. Returns early when the program is frozen.
  [[nodiscard]] std::uint64_t prepare(bool ahead);
  /// Copies what the target lacks of the frozen state, sends what finds no room, and lets the
  /// program go on. From here on the state's chunks come from the copy. Returns the digests of the
  /// frozen state. Throws Error{digest_mismatch} if what was sent did not arrive as it was.
  [[nodiscard]] std::vector<Digest> let_go();

 private:
  /// What the target lacks: what a step changes, and what it leaves as it is.
  struct Lacking {
    std::uint64_t bytes = 0;
    std::vector<ChunkId> staying;
    std::uint64_t staying_bytes = 0;
  };
  [[nodiscard]] Lacking look_at_a_step();
  [[nodiscard]] std::uint64_t send_what_stays();
  void reserve();
  void take_memory(std::uint64_t bytes);
  void send_what_found_no_room(const std::vector<Digest>& now);
  [[nodiscard]] std::vector<ChunkId> without_room(const std::vector<Digest>& now) const;

  SourceContext& source_;
  std::optional<FrozenCopy> copy_;
};

}  // namespace cardswap
