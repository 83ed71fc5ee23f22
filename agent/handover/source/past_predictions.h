#pragma once

#include <boost/json/object.hpp>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cardswap {

/// A way by which jobs move: two hosts and a strategy. On the same route a prediction misses the
/// same things each time, such as a slow disk under the journal or a standby's cold caches.
struct Route {
  std::string from;      ///< the source's host
  std::string to;        ///< the target's host
  std::string strategy;  ///< in use, or "criu" if CRIU moves the process
  auto operator<=>(const Route&) const = default;
};

/// What a move costs a job in its steps, predicted or measured.
struct StallAndLost {
  double stall_ms = 0;  ///< the largest lateness of one step
  double lost_ms = 0;   ///< the lateness of all steps together
};

/// A prediction, corrected by earlier moves.
struct CorrectedPrediction {
  StallAndLost raw;         ///< the planner's prediction
  StallAndLost corrected;   ///< equal to `raw` if too few moves are known
  std::uint32_t moves = 0;  ///< how many moves it was corrected by; 0: it was not corrected
};

/// Compares the predictions of earlier moves on each route with the measurements, and corrects the
/// next prediction by the median of the ratios, because one move on a busy machine says nothing
/// about the next. Only moves of similar size count: what a prediction misses is partly a constant
/// time and partly a share, so a ratio that was learned from short moves is wrong for long ones. A
/// value of bounded size; no I/O.
class PastPredictions {
 public:
  static constexpr std::size_t kMovesKept = 32;   ///< the latest moves of a route
  static constexpr std::size_t kMovesMin = 3;     ///< fewer similar moves correct nothing
  static constexpr std::size_t kMovesCount = 8;   ///< the latest similar moves that correct
  static constexpr double kSimilar = 3;           ///< predictions of similar moves differ by less
  static constexpr std::size_t kRoutesMax = 256;  ///< above it the least recently used route goes
  static constexpr double kFactorMax = 4;         ///< the limit of a correction, and its inverse

  /// Adds one move. Ignored if a figure was not predicted (0), is negative or is not finite.
  void note(const Route& route, const StallAndLost& predicted, const StallAndLost& was);
  /// Corrects the planner's prediction, by the moves of the route for which both figures were
  /// predicted within a factor of kSimilar of these. The corrected lost time is at least the
  /// corrected stall.
  [[nodiscard]] CorrectedPrediction corrected(const Route& route, const StallAndLost& raw) const;

  [[nodiscard]] boost::json::object to_json() const;
  /// Reads to_json(). Of version 1, which kept no predictions, nothing can be used: empty. Throws
  /// Error{corrupt} for another version, and for a route that to_json() does not write. Empty if
  /// there are no routes.
  [[nodiscard]] static PastPredictions from_json(const boost::json::value& json);

 private:
  /// A move: what was predicted, and the measured value divided by it.
  struct Move {
    StallAndLost predicted;
    double stall_ratio = 1;
    double lost_ratio = 1;
  };
  /// A route's moves, the latest last.
  struct Past {
    Route route;
    std::vector<Move> moves;
  };
  [[nodiscard]] static Move move_from_json(const boost::json::value& json);

  std::vector<Past> past_;  // the route used last comes last
};

}  // namespace cardswap
