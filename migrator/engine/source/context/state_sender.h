#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/core/rate.h"
#include "migrator/engine/chunk_map.h"
#include "migrator/engine/program.h"
#include "migrator/engine/source/context/stats_reporter.h"
#include "migrator/engine/source/sending/connection_to_target.h"
#include "migrator/engine/source/sending/frozen_copy.h"
#include "migrator/engine/source/sending/frozen_mailbox.h"
#include "migrator/engine/source/sending/payload_sender.h"

namespace cardswap {

/// Brings the target's state to that of the source: agrees on the layout, digests the memory here,
/// and sends the chunks that the target does not hold. The engine's thread. Calls that send or wait
/// throw as ConnectionToTarget's waits do; those that digest or send chunks, what a device throws;
/// and those that bring a layout over, Error{layout_differs} if the target cuts it into another
/// number of chunks.
class StateSender {
 public:
  /// All outlive this.
  StateSender(const SourceOptions& options, SourceProgram& program, ConnectionToTarget& connection,
              PayloadSender& payloads, FrozenMailbox& freeze, StatsReporter& reporter);

  /// Takes the program's memory as of now, before the link is connected.
  void take_first_view();
  /// Sends the layout as the first message after the token, and waits until the target accepts it.
  /// Unless the strategy is stop-copy, also waits for the digests of what the target holds.
  void introduce();
  /// Whether the program has passed a boundary since view() was taken.
  [[nodiscard]] bool has_new_step() const { return program_.step() != view_.step; }
  /// Replaces view() by `now`. If the layout has changed, the target adopts the new one; it reports
  /// again what it holds, as in introduce().
  void refresh(StateView now);
  /// refresh() for a target that replays updates. The target takes the new layout after the update
  /// with the number `updates` and `base_chunks` chunks of the base copy, and keeps what both
  /// layouts have. Not to be called during a round.
  void amend(StateView now, std::uint64_t updates, std::uint64_t base_chunks);
  /// Replaces view() by `now`, and has the target digest its whole state, while this side digests
  /// its own on `threads` threads. Returns the digests of this side.
  [[nodiscard]] std::vector<Digest> compare(StateView now, unsigned threads);

  /// The program's memory, as last taken.
  [[nodiscard]] const StateView& view() const { return view_; }
  [[nodiscard]] ChunkMap& chunks() { return chunks_; }
  [[nodiscard]] const ChunkMap& chunks() const { return chunks_; }
  /// Bytes of one element of the region.
  [[nodiscard]] std::uint8_t element_bytes_of(RegionId region) const;

  /// The speed of the scans so far in bytes a second; 0 before the first one.
  [[nodiscard]] double digest_rate() const { return digest_rate_.bytes_per_s(); }
  /// Digests all chunks here on `threads` threads, and waits for that.
  [[nodiscard]] std::vector<Digest> scan(unsigned threads);
  /// Does what scan() does, and has the chunks copied into `copy` that the target does not hold.
  /// The program must be frozen.
  [[nodiscard]] std::vector<Digest> scan_into(FrozenCopy& copy, unsigned threads);
  /// Has all chunks sent from `copy` from now on, which outlives this, and lets go of the program's
  /// memory. Sending a chunk that was not copied throws Error{digest_mismatch}.
  void send_from(const FrozenCopy& copy);
  /// Sends one round of all chunks that the target does not hold, while the program trains. Chunks
  /// are sent while later ones are still digested, on `threads` threads. A freeze ends the round
  /// early. Returns the bytes of the chunks that were found to differ.
  std::uint64_t send_differing(unsigned threads);
  /// Sends `chunks` as one round, and waits until the target has digested them. `final`: the round
  /// of the frozen state; the target answers once it has replayed `updates` updates. If not
  /// `final`, a freeze ends the round early: the scan of the frozen state finds the rest.
  void send_round(std::span<const ChunkId> chunks, bool final, std::uint64_t updates = 0);
  /// Sends `chunks` as one round of the frozen state, which is not the final one.
  void send_frozen_part(std::span<const ChunkId> chunks);
  /// The digest of the values that the target holds, after a final round; else it has no meaning.
  /// Nullopt: the target has not sent any digests.
  [[nodiscard]] const std::optional<Digest>& target_values() const { return target_values_; }

 private:
  [[nodiscard]] bool wants_digests() const { return options_.spec.strategy != Strategy::stop_copy; }
  void agree_on(const data::Message& layout);
  void note_agreed(std::uint32_t their_chunks);
  void await_digests(std::uint32_t round, bool final);
  [[nodiscard]] MemoryRange memory_of(ChunkId chunk) const;
  void want(ChunkId chunk, ReadAhead& ahead) const;
  /// Sends the chunks of a round, all of them if `whole`, else until a freeze arrives; returns how
  /// many.
  [[nodiscard]] std::uint32_t send_chunks(std::span<const ChunkId> chunks, std::uint32_t round,
                                          bool whole);
  void send_chunk(ChunkId chunk, std::uint32_t round, ReadAhead& ahead, bool final);
  void end_round(std::uint32_t round, std::uint32_t sent, bool final, std::uint64_t updates);

  const SourceOptions& options_;
  SourceProgram& program_;
  ConnectionToTarget& connection_;
  PayloadSender& payloads_;
  FrozenMailbox& freeze_;
  StatsReporter& reporter_;
  StateView view_;
  ChunkMap chunks_;                   // of view_
  const FrozenCopy* copy_ = nullptr;  // of send_from(), else null
  std::optional<Digest> target_values_;
  RateMeter digest_rate_;
  std::uint32_t rounds_sent_ = 0;
};

}  // namespace cardswap
