#include "runtime/passed_arena.h"

#include <fmt/format.h>

#include <utility>

#include "migrator/base/error.h"

namespace cardswap::memory_transfer {

std::vector<ArenaOutline> outlines_of(const std::vector<PassedArena>& arenas) {
  std::vector<ArenaOutline> result;
  std::size_t count = 0;
  for (const auto& arena : arenas) {
    ArenaOutline outline{arena.device, arena.base, {}};
    for (const auto& piece : arena.pieces) outline.bytes.push_back(piece.bytes);
    count += arena.pieces.size();
    result.push_back(std::move(outline));
  }
  if (count > kPiecesMax || result.size() > kArenasMax) {
    throw Error(
        Code::refused,
        fmt::format("the job's memory is in {} pieces, {} can be handed over", count, kPiecesMax));
  }
  return result;
}

std::vector<int> files_of(const std::vector<PassedArena>& arenas) {
  std::vector<int> files;
  for (const auto& arena : arenas) {
    for (const auto& piece : arena.pieces) files.push_back(piece.file.get());
  }
  return files;
}

std::vector<PassedArena> arenas_from(const std::vector<ArenaOutline>& outlines,
                                     std::vector<Descriptor> files) {
  std::vector<PassedArena> result;
  std::size_t next = 0;
  for (const auto& outline : outlines) {
    PassedArena arena{outline.device, outline.base, {}};
    for (const auto bytes : outline.bytes) {
      if (next == files.size()) throw Error(Code::bad_request, "memory came without its files");
      arena.pieces.push_back({std::move(files[next++]), bytes});
    }
    result.push_back(std::move(arena));
  }
  return result;
}

}  // namespace cardswap::memory_transfer
