#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/device/digest_run.h"
#include "migrator/engine/chunk_map.h"
#include "migrator/engine/program.h"
#include "migrator/engine/target/landed_digests.h"
#include "migrator/engine/target/payload_receiver.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// Receives a state into a program's memory: adopts the source's layout, gives each chunk its
/// memory, and digests what has landed. It makes no calls of a link: the caller passes headers to
/// it and sends its answers. Memory that the program has dropped is kept while a chunk may still
/// land there. The engine's thread; digests are taken on other threads.
class StateReceiver {
 public:
  /// `wake` is called from other threads when there is something to do. `serve` is called again and
  /// again while the program adopts a layout, which takes seconds for a large state: it must serve
  /// the link, so that the source does not take this side for dead. `program` and `payloads`
  /// outlive this.
  StateReceiver(TargetProgram& program, PayloadReceiver& payloads, std::function<void()> wake,
                std::function<void()> serve);

  /// Adopts a layout and forgets all digests; no chunk is expected until this returns. Throws
  /// Error{layout_differs}, whose text names the differences, Error{bad_request} for an impossible
  /// chunk size, and what TargetProgram::adopt() throws.
  void adopt(const Layout& wanted, std::uint64_t chunk_bytes);
  /// Adopts a layout between two rounds: regions that both layouts have keep their bytes and
  /// digests. Throws as adopt().
  void amend(const Layout& wanted);
  [[nodiscard]] const ChunkMap& chunks() const { return chunks_; }

  // ---- chunks
  /// The memory of a chunk. Throws Error{bad_request} for a chunk that is not expected.
  [[nodiscard]] MemoryRange reserve(const data::ChunkHeader& header, std::size_t bytes);
  /// Notes that a chunk has landed.
  void on_received(const data::ChunkHeader& header);
  /// How many chunks of that round have landed.
  [[nodiscard]] std::uint32_t received_in(std::uint32_t round) const;
  /// Whether no chunk has landed since the latest answer.
  [[nodiscard]] bool is_between_rounds() const { return landed_.empty(); }

  // ---- digests
  /// Begins to digest everything, on other threads. Chunks that land meanwhile are digested again.
  /// `with_layout`: asks the program again where its memory is, because a replayed step may have
  /// dropped state and created it anew. Waits for payloads that are being copied into place and,
  /// `with_layout`, as TargetProgram::adopt() does; throws as adopt() then. `frozen`: the source
  /// is frozen, and no update follows. A base copy that lands from here on is digested again too.
  void digest_all(bool with_layout, bool frozen = false);
  [[nodiscard]] bool is_digesting_all() const { return all_.has_value(); }
  /// Takes the digests of digest_all() when they are ready, and returns true once; is_whole() is
  /// then true. Throws what a device throws.
  [[nodiscard]] bool take_all();
  /// Goes on digesting the chunks that have landed, as LandedDigests::advance() does. True: all of
  /// them are digested.
  [[nodiscard]] bool digest_received(bool all_are_here);
  /// Whether every digest is valid: since it was taken, only landed chunks have changed the memory.
  [[nodiscard]] bool is_whole() const { return whole_; }
  /// Notes that the program changes the memory: digests are not valid any more.
  void distrust() { whole_ = frozen_ = false; }

  // ---- answers
  /// The first `bytes` of a chunk. Throws Error{bad_request} within a round, for an unknown chunk,
  /// for more than its bytes, and for more than data::kShownBytesMax.
  [[nodiscard]] std::vector<std::byte> first_bytes(ChunkId chunk, std::uint32_t bytes) const;
  /// Ends the round; returns the digests of the chunks that have landed in it.
  [[nodiscard]] data::ChunkDigests end_round(std::uint32_t round);
  /// Ends the final round; returns the digests of all chunks, with `values`.
  [[nodiscard]] data::ChunkDigests end_final_round(std::uint32_t round, const Digest& values);
  /// The digests of all chunks, as the answer to a layout.
  [[nodiscard]] data::ChunkDigests all_chunks() const;
  /// The digests, one for each chunk.
  [[nodiscard]] std::vector<Digest> digests() const;
  /// The chunks that never came, because the program has them elsewhere.
  [[nodiscard]] std::vector<ChunkId> elsewhere() const;
  /// The digest of the whole state, on which both sides must agree; `values` is that of the values.
  [[nodiscard]] Digest state_digest(const Digest& values) const;

  /// Ends all other threads of this. To be called before `wake` becomes invalid.
  void stop();

 private:
  void take_memory(const Layout& wanted);
  /// The chunks whose digest is that of their memory.
  [[nodiscard]] std::vector<ChunkId> in_memory() const;
  [[nodiscard]] data::ChunkDigests answer(std::uint32_t round, bool final,
                                          const std::vector<ChunkId>& chunks,
                                          const Digest& values) const;

  TargetProgram& program_;
  PayloadReceiver& payloads_;
  const std::function<void()> wake_;
  const std::function<void()> serve_;
  StateView view_;
  ChunkMap chunks_;  // of view_
  std::uint64_t chunk_bytes_ = 0;
  /// Digests of chunks that the program has elsewhere, until one is to land; empty, or one a chunk.
  std::vector<std::optional<Digest>> elsewhere_;
  std::vector<StateView> former_;
  std::size_t under_way_ = 0;                         // chunks in flight
  std::map<std::uint32_t, std::uint32_t> landed_in_;  // chunks, by round
  std::vector<ChunkId> landed_;                       // since the latest answer
  bool whole_ = false;
  bool frozen_ = false;  // the latest digest_all() was of a frozen source
  LandedDigests landed_digests_;
  std::vector<ChunkId> in_all_;  // the chunks of all_
  std::optional<DigestRun> all_;
};

}  // namespace cardswap
