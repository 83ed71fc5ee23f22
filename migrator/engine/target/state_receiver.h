#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/device/digest_job.h"
#include "migrator/engine/chunk_map.h"
#include "migrator/engine/program.h"
#include "migrator/engine/target/landed_digests.h"
#include "migrator/engine/target/payload_receiver.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// Receives a state into a program's memory: it takes the source's layout, gives each chunk its
/// place, and digests what landed. It knows no link: its caller feeds it headers and sends its
/// answers. Memory that the program has dropped stays while a chunk may still land there. The
/// engine's thread; digests are taken on others.
class StateReceiver {
 public:
  /// `wake` is called from other threads when there is something to do. `serve` is called again and
  /// again while the program makes memory, which takes seconds for a large state: whoever sends is
  /// not to take this side for dead. `program` and `payloads` outlive this.
  StateReceiver(TargetProgram& program, PayloadReceiver& payloads, std::function<void()> wake,
                std::function<void()> serve);

  /// Adopts a layout in which nothing is known; no chunk is expected until this returns. Throws
  /// Error{layout_differs} that names what the program cannot follow, and what the program throws.
  void adopt(const Layout& wanted, std::uint64_t chunk_bytes);
  /// Adopts a layout between two rounds: what both layouts have keeps its bytes and digests.
  void amend(const Layout& wanted);
  [[nodiscard]] const ChunkMap& chunks() const { return chunks_; }

  // ---- chunks
  /// Where a chunk belongs. Throws Error{bad_request} for one that is not expected.
  [[nodiscard]] MemoryRange reserve(const data::ChunkHeader& header, std::size_t bytes);
  void on_received(const data::ChunkHeader& header);
  [[nodiscard]] std::uint32_t received_in(std::uint32_t round) const;
  [[nodiscard]] bool is_between_rounds() const { return landed_.empty(); }

  // ---- digests
  /// Begins to digest everything; chunks that land meanwhile are digested again. `with_layout`: the
  /// program may have its memory elsewhere by now, as after a replayed step that dropped state and
  /// made it anew.
  void digest_all(bool with_layout);
  [[nodiscard]] bool is_digesting_all() const { return all_.has_value(); }
  /// Whether all that was begun is digested: true once; from then on is_whole().
  [[nodiscard]] bool take_all();
  /// Digests chunks of the round; true when nothing waits or is under way.
  [[nodiscard]] bool digest_received(bool all_are_here);
  /// Whether every digest was taken since the memory changed by anything but chunks that landed.
  [[nodiscard]] bool is_whole() const { return whole_; }
  /// Notes that something else changes the memory.
  void distrust() { whole_ = false; }

  // ---- answers
  /// Returns the first bytes of a chunk as it lies here, between two rounds. Throws
  /// Error{bad_request} for more than there are or may be shown.
  [[nodiscard]] std::vector<std::byte> first_bytes(ChunkId chunk, std::uint32_t bytes) const;
  /// Ends the round, and returns what it brought.
  [[nodiscard]] data::ChunkDigests end_round(std::uint32_t round);
  /// Ends the round, and returns the whole state as its answer.
  [[nodiscard]] data::ChunkDigests end_final_round(std::uint32_t round, const Digest& values);
  [[nodiscard]] data::ChunkDigests all_chunks() const;
  /// The digests, one a chunk.
  [[nodiscard]] std::vector<Digest> digests() const;
  /// The digest that both sides must agree on.
  [[nodiscard]] Digest root(const Digest& values) const;

  /// Ends what other threads do for this.
  void stop();

 private:
  void take_memory(const Layout& wanted);
  [[nodiscard]] data::ChunkDigests answer(std::uint32_t round, bool final,
                                          const std::vector<ChunkId>& chunks,
                                          const Digest& values) const;

  TargetProgram& program_;
  PayloadReceiver& payloads_;
  const std::function<void()> wake_;
  const std::function<void()> serve_;
  StateView view_;
  ChunkMap chunks_;  // of view_
  std::vector<StateView> former_;
  std::size_t under_way_ = 0;  // chunks that have a place and did not land yet
  std::map<std::uint32_t, std::uint32_t> landed_in_;  // chunks, by round
  std::vector<ChunkId> landed_;                       // since the latest answer
  bool whole_ = false;
  LandedDigests landed_digests_;
  std::optional<DigestJob> all_;
};

}  // namespace cardswap
