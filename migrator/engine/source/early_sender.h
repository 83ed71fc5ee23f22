#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "migrator/engine/source/replay_units.h"
#include "migrator/engine/source/source_context.h"
#include "migrator/engine/source/update_log.h"

namespace cardswap {

/// Sends gradients while their step is still computed. At the step's entry it finds out whether
/// each one is unchanged, was multiplied by a factor, or has other bytes and is sent again whole.
///
/// It sends a copy, and compares the entry's bytes with that copy: no flag or version is trusted to
/// say that a tensor did not change. A parameter whose gradients were sent in vain a few times is
/// not sent early any more. The engine's thread.
class EarlySender {
 public:
  /// What an entry's gradient is when it was sent early.
  struct Claim {
    std::uint64_t number = 0;   ///< data::EarlyGradient::number
    std::uint64_t sent = 0;     ///< bytes; the rest of `copy` is still to go
    CapturedGradient gradient;  ///< the copy
    Factor factor;
  };

  /// All outlive this.
  EarlySender(SourceContext& source, UpdateLog& log, const ReplayUnits& units)
      : source_(source), log_(log), units_(units) {}

  /// Has the log take gradients early, or not any more: of shards that the target follows.
  void watch(bool on);
  /// Sends a piece of the next one. False: there is none.
  bool send_piece();
  /// What was sent of the entry's gradients, one each, and is right; what is not, and what no entry
  /// has had by now, is dropped.
  [[nodiscard]] std::vector<std::optional<Claim>> claim(const UpdateEntry& entry);
  /// Drops all, before another layout.
  void drop_all();

  /// What it came to.
  struct EarlyStats {
    std::uint64_t bytes = 0;   ///< of early gradients that were sent
    std::uint64_t resent = 0;  ///< of these, sent in vain
    std::uint64_t wire_bytes = 0;
  };
  [[nodiscard]] const EarlyStats& stats() const { return stats_; }

 private:
  /// One that no entry has had.
  struct Pending {
    EarlyCopy copy;
    std::uint64_t number = 0;  // 0: not announced
    std::uint64_t sent = 0;
    [[nodiscard]] const CapturedGradient& gradient() const { return copy.gradient; }
  };
  [[nodiscard]] bool is_followed(ParameterId parameter, std::uint64_t step) const;
  void take_new();
  void drop(const Pending& pending);
  /// Whether the entry's gradient is the copy, or a multiple of it.
  [[nodiscard]] std::optional<Factor> relation(const CapturedGradient& early,
                                               const CapturedGradient& now);

  SourceContext& source_;
  UpdateLog& log_;
  const ReplayUnits& units_;
  std::deque<Pending> pending_;
  std::uint64_t numbered_ = 0;
  std::map<ParameterId, int> in_vain_;
  std::optional<float> factor_;  // the latest: most gradients of a step have the same
  EarlyStats stats_;
};

}  // namespace cardswap
