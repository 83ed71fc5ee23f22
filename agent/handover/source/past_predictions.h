#pragma once

#include <boost/json/object.hpp>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cardswap {

/// A way by which jobs move: two hosts and a strategy. On the same path a prediction misses the
/// same things each time, such as a slow disk under the journal or a standby's cold caches.
struct MovePath {
  std::string from;      ///< the source's host
  std::string to;        ///< the target's host
  std::string strategy;  ///< in use, or "criu" if CRIU moves the process
  auto operator<=>(const MovePath&) const = default;
};

/// What a move costs a job in its steps, predicted or measured.
struct StepCost {
  double stall_ms = 0;  ///< the largest lateness of one step
  double lost_ms = 0;   ///< the lateness of all steps together
};

/// A prediction, corrected by earlier moves.
struct CorrectedPrediction {
  StepCost raw;             ///< the planner's prediction
  StepCost corrected;       ///< equal to `raw` if no similar move is known
  std::uint32_t moves = 0;  ///< how many moves it was corrected by; 0: it was not corrected
};

/// Compares the predictions of earlier moves on each path with the measurements, and corrects the
/// next prediction by the median of the ratios, because one move on a busy machine says little
/// about the next. The prediction itself counts as one more move, which was exactly as predicted:
/// so the first move corrects by half of what it missed, and two that agree by all of it. Only
/// moves of similar size count: what a prediction misses is partly a constant time and partly a
/// share, so a ratio that was learned from short moves is wrong for long ones. A value of bounded
/// size; no I/O.
class PastPredictions {
 public:
  static constexpr std::size_t kMovesKept = 32;  ///< the latest moves of a path
  static constexpr std::size_t kMovesCount = 8;  ///< the latest similar moves that correct
  static constexpr double kSimilar = 3;          ///< predictions of similar moves differ by less
  static constexpr std::size_t kPathsMax = 256;  ///< above it the least recently used path goes
  static constexpr double kFactorMax = 4;        ///< the limit of a correction, and its inverse

  /// Adds one move. Ignored if a figure was not predicted (0), is negative or is not finite.
  void note(const MovePath& path, const StepCost& predicted, const StepCost& measured);
  /// Corrects the planner's prediction, by the moves of the path for which both figures were
  /// predicted within a factor of kSimilar of these. The corrected lost time is at least the
  /// corrected stall.
  [[nodiscard]] CorrectedPrediction corrected(const MovePath& path, const StepCost& raw) const;

  [[nodiscard]] boost::json::object to_json() const;
  /// Reads to_json(). Of version 1, which kept no predictions, nothing can be used: empty. Throws
  /// Error{corrupt} for another version, and for a path that to_json() does not write. Empty if
  /// there are no paths.
  [[nodiscard]] static PastPredictions from_json(const boost::json::value& json);

 private:
  /// A move: what was predicted, and the measured value divided by it.
  struct Move {
    StepCost predicted;
    double stall_ratio = 1;
    double lost_ratio = 1;
  };
  /// A path's moves, the latest last.
  struct Past {
    MovePath path;
    std::vector<Move> moves;
  };
  [[nodiscard]] static Move move_from_json(const boost::json::value& json);

  std::vector<Past> past_;  // the path used last comes last
};

}  // namespace cardswap
