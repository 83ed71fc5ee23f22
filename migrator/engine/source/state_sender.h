#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/core/rate.h"
#include "migrator/engine/chunk_map.h"
#include "migrator/engine/program.h"
#include "migrator/engine/source/freeze_request.h"
#include "migrator/engine/source/payload_sender.h"
#include "migrator/engine/source/peer_connection.h"
#include "migrator/engine/source/stats_reporter.h"

namespace cardswap {

/// Brings the target's state to the source's: agrees on the layout, digests the memory here, and
/// sends rounds of the chunks that the target does not hold. The engine's thread.
class StateSender {
 public:
  /// All outlive this.
  StateSender(const SourceOptions& options, SourceProgram& program, PeerConnection& connection,
              PayloadSender& payloads, FreezeRequest& freeze, StatsReporter& reporter);

  /// Takes the program's memory as of now, before anybody connects.
  void take_first_view();
  /// Agrees on the layout with the first message after the token. Unless the strategy is stop-copy
  /// the target says what it holds.
  void introduce();
  /// Whether the program has passed a boundary since view().
  [[nodiscard]] bool has_news() const { return program_.step() != view_.step; }
  /// Takes the program's memory as of now; tells the target when it is another layout, and then
  /// nothing is known of what it holds.
  void refresh(StateView now);
  /// refresh() for a target that replays updates: it takes the other layout behind `updates` of
  /// them and as many chunks of the base copy, and keeps what both layouts have. Not while a round
  /// is under way.
  void amend(StateView now, std::uint64_t updates, std::uint64_t base_chunks);
  /// Takes the program's memory as of now, and asks the target anew for all that it holds in that
  /// layout, while this side digests its own, which is returned.
  [[nodiscard]] std::vector<Digest> compare(StateView now, unsigned threads);

  [[nodiscard]] const StateView& view() const { return view_; }
  [[nodiscard]] ChunkMap& chunks() { return chunks_; }
  [[nodiscard]] const ChunkMap& chunks() const { return chunks_; }
  [[nodiscard]] std::uint8_t element_size_of(RegionId region) const;

  /// Bytes a second of scans so far; 0 before one.
  [[nodiscard]] double digest_rate() const { return digest_rate_.bytes_per_s(); }
  /// Digests of all chunks here, on so many threads.
  [[nodiscard]] std::vector<Digest> scan(unsigned threads);
  /// A round of what the target does not hold, while the program trains: chunks go while those
  /// behind them are still digested, on so many threads. Returns the bytes that were to be sent.
  std::uint64_t send_differing(unsigned threads);
  /// Sends `chunks` and waits until the target has digested what landed. While the program trains,
  /// a freeze cuts the round short: the frozen scan finds what was left out.
  void send_round(std::span<const ChunkId> chunks, bool final, std::uint64_t updates = 0);
  /// Digest of the values that the target holds, if it has said so.
  [[nodiscard]] const std::optional<Digest>& target_values() const { return target_values_; }

 private:
  [[nodiscard]] bool wants_digests() const { return options_.spec.strategy != Strategy::stop_copy; }
  void agree_on(const data::Message& layout);
  void note_agreed(std::uint32_t their_chunks);
  void await_digests(std::uint32_t round, bool final);
  void want(ChunkId chunk, ReadAhead& ahead) const;
  void send_chunk(ChunkId chunk, std::uint32_t round, ReadAhead& ahead, bool final);
  void end_round(std::uint32_t round, std::uint32_t sent, bool final, std::uint64_t updates);

  const SourceOptions& options_;
  SourceProgram& program_;
  PeerConnection& connection_;
  PayloadSender& payloads_;
  FreezeRequest& freeze_;
  StatsReporter& reporter_;
  StateView view_;
  ChunkMap chunks_;  // of view_
  std::optional<Digest> target_values_;
  RateMeter digest_rate_;
  std::uint32_t rounds_sent_ = 0;
};

}  // namespace cardswap
