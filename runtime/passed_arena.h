#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "migrator/base/descriptor.h"
#include "migrator/device/arena.h"
#include "runtime/memory_messages.h"

namespace cardswap::memory_transfer {

/// An arena that is handed over, with its files.
struct PassedArena {
  std::string device;  ///< as ArenaOutline::device
  std::uint64_t base = 0;
  std::vector<ArenaPiece> pieces;
};
/// The outlines of the arenas, for a message. Throws Error{refused} for more pieces or arenas than
/// a message may have.
[[nodiscard]] std::vector<ArenaOutline> outlines_of(const std::vector<PassedArena>& arenas);
/// The arenas' files in order; the arenas go on owning them.
[[nodiscard]] std::vector<int> files_of(const std::vector<PassedArena>& arenas);
/// The arenas of a message's outlines, with `files`, which they own then. Throws
/// Error{bad_request} for too few files; closes files that are too many.
[[nodiscard]] std::vector<PassedArena> arenas_from(const std::vector<ArenaOutline>& outlines,
                                                   std::vector<Descriptor> files);

}  // namespace cardswap::memory_transfer
