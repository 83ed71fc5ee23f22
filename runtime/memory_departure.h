#pragma once

#include <string>
#include <vector>

#include "migrator/engine/target/target.h"
#include "migrator/wire/runtime_messages.h"
#include "runtime/arena_relocator.h"
#include "runtime/memory_handoff.h"

namespace cardswap {

/// Gives this process's arenas to a keeper so that the process can be dumped. Takes them back here,
/// or from a holder where the process was restored. Meanwhile it keeps their addresses and
/// remembers the digest that all of it must have when it is back. Training thread only.
class MemoryDeparture {
 public:
  /// Who keeps the memory meanwhile.
  struct Keeper {
    std::string path;  ///< where it listens
    pid_t process = 0;
  };
  /// Digests everything, gives the arenas away and unmaps them. Throws Error when the keeper does
  /// not take it: with everything as it was, unless the memory was given away and did not come
  /// back.
  MemoryDeparture(ArenaRelocator& relocator, Keeper keeper, const Digest& root, std::uint64_t step);

  /// Takes the memory back here: maps what the keeper has and compares every byte with what it was
  /// given. Throws Error; the memory is not there then.
  void recall();
  /// Takes the memory in the restored process: maps what the holder received and compares every
  /// byte. The times are by this process's clock. Throws Error.
  [[nodiscard]] VerifiedState arrive(const channel::Arrived& arrived);

 private:
  void unbind_all();
  /// Binds each arena that is not bound to what was passed.
  void bind(const std::vector<memory_handoff::Pieces>& arenas, std::vector<Descriptor> files);

  ArenaRelocator& relocator_;
  const Keeper keeper_;
  const Digest root_;
  const std::uint64_t step_;
  Digest whole_;
};

}  // namespace cardswap
