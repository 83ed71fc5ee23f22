#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "migrator/engine/source/context/source_context.h"
#include "migrator/engine/source/replay/replay_shards.h"
#include "migrator/engine/source/replay/update_log.h"

namespace cardswap {

/// Sends gradients while their step is still being computed. When the step's entry comes, it finds
/// out whether each gradient is unchanged, was multiplied by a factor, or has other bytes and must
/// be sent again.
///
/// It sends a copy, and compares the bytes of the entry with that copy: no flag or version can be
/// trusted to tell that a tensor did not change. If a parameter's gradients were sent in vain three
/// times in a row, they are not sent early any more. The engine's thread.
class EarlySender {
 public:
  /// How an entry's gradient follows from the copy that was sent early.
  struct Claim {
    std::uint64_t early_number = 0;  ///< data::EarlyGradient::number
    std::uint64_t sent = 0;          ///< bytes of the copy that were sent; the rest must follow
    CapturedGradient gradient;       ///< the copy
    Factor factor;                   ///< by which the target must multiply it
  };

  /// All outlive this.
  EarlySender(SourceContext& source, UpdateLog& log, const ReplayShards& shards)
      : source_(source), log_(log), shards_(shards) {}

  /// Makes the log take gradients early (or stop that), for the shards that the target replays.
  void watch(bool on);
  /// Sends a piece of the next early gradient. False: there is none. Throws as
  /// PayloadSender::send().
  bool send_piece();
  /// Returns one claim for each gradient of the entry. Nullopt: the gradient must be sent whole,
  /// because it was not sent early or was sent in vain. Also drops what was sent in vain, and early
  /// gradients of earlier steps that no entry has claimed.
  [[nodiscard]] std::vector<std::optional<Claim>> claim(const UpdateEntry& entry);
  /// Drops all early gradients, before the layout changes. If the target knows of any of them,
  /// waits until the link is idle. Throws as PayloadSender::wait_until_sent().
  void drop_all();

  /// Counts of bytes since the beginning.
  struct EarlyStats {
    std::uint64_t bytes = 0;       ///< of gradients that were sent early
    std::uint64_t resent = 0;      ///< of these, bytes that were sent in vain
    std::uint64_t wire_bytes = 0;  ///< on the wire, for `bytes`
  };
  [[nodiscard]] const EarlyStats& stats() const { return stats_; }

 private:
  /// An early gradient whose entry has not come yet.
  struct Pending {
    EarlyCopy copy;
    std::uint64_t early_number = 0;  // 0: the target does not know of it
    std::uint64_t sent = 0;          // bytes
    [[nodiscard]] const CapturedGradient& gradient() const { return copy.gradient; }
  };
  [[nodiscard]] bool is_followed(ParameterId parameter, std::uint64_t step) const;
  void take_new();
  void drop(const Pending& pending);
  /// The factor from the early copy to the entry's gradient. Nullopt: there is no such factor.
  [[nodiscard]] std::optional<Factor> relation(const CapturedGradient& early,
                                               const CapturedGradient& now);

  SourceContext& source_;
  UpdateLog& log_;
  const ReplayShards& shards_;
  std::deque<Pending> pending_;
  std::uint64_t numbered_ = 0;
  std::map<ParameterId, int> in_vain_;
  std::optional<float> factor_;  // the latest one: most gradients of a step share it
  EarlyStats stats_;
};

}  // namespace cardswap
