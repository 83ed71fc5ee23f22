#pragma once

#include <string>
#include <vector>

#include "migrator/engine/target/target.h"
#include "migrator/wire/runtime_messages.h"
#include "runtime/arena_relocator.h"
#include "runtime/memory_messages.h"

namespace cardswap {

/// Gives this process's arenas to a custodian process so that this process can be dumped. Takes
/// them back here, or from a holder where the process was restored. Meanwhile it keeps the
/// addresses reserved and remembers the digest that the memory must have when it comes back.
/// Training thread only.
class MemoryDeparture {
 public:
  /// The process that keeps the memory.
  struct Custodian {
    std::string path;  ///< of the socket on which it listens
    pid_t process = 0;
  };
  /// Digests everything, gives the arenas to the custodian and unmaps them. Waits 10 s at most for
  /// the custodian. Throws Error if the custodian does not take the memory or it cannot be
  /// unmapped: everything is then as before, unless the relocator's is_away() says that the memory
  /// did not come back. `state_digest` and `step` are of the state that this process leaves with.
  MemoryDeparture(ArenaRelocator& relocator, Custodian custodian, const Digest& state_digest,
                  std::uint64_t step);

  /// Takes the memory back here: maps what the custodian has and compares the digest of every byte.
  /// Waits 10 s at most for the custodian. Throws Error; the memory is not mapped then. A custodian
  /// that cannot be told that it is done ends with this process.
  void recall();
  /// Takes the memory in the restored process: maps what the holder received and compares the
  /// digest of every byte. Waits 10 s at most for the holder. The times in the result are of this
  /// process's clock. Throws Error; the memory is not mapped then.
  [[nodiscard]] VerifiedState arrive(const channel::Arrived& arrived);

 private:
  void unbind_all();
  /// Maps the received memory for each arena that is not mapped. Throws Error.
  void bind(const std::vector<memory_transfer::ArenaOutline>& arenas,
            std::vector<Descriptor> files);

  ArenaRelocator& relocator_;
  const Custodian custodian_;
  const Digest state_digest_;
  const std::uint64_t step_;
  Digest whole_;  // of every byte, before it was given away
};

}  // namespace cardswap
