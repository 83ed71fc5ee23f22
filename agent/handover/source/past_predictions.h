#pragma once

#include <boost/json/object.hpp>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cardswap {

/// The way that a job goes. A prediction leaves the same things out each time on the same way, such
/// as a slow disk's journal or a standby's cold caches.
struct Route {
  std::string from;  ///< host
  std::string to;
  std::string strategy;  ///< in use, or "criu" where CRIU moves the process
  auto operator<=>(const Route&) const = default;
};

/// How late one step is at most, and all of them together: predicted, or as it was. Milliseconds.
struct StallAndLost {
  double stall_ms = 0;
  double lost_ms = 0;
};

/// A prediction as the moves before it teach it.
struct CorrectedPrediction {
  StallAndLost raw;         ///< as the planner has it
  StallAndLost corrected;   ///< the same where too few moves are known
  std::uint32_t moves = 0;  ///< that it was corrected by; 0: it was not
};

/// Compares the predictions of earlier moves with what happened, for each route, and gives the
/// correction of the next prediction: the median of the ratios, because one move on a busy machine
/// says nothing of the next. Pure but for its own lists; bounded.
class PastPredictions {
 public:
  static constexpr std::size_t kMovesKept = 16;   ///< of a route, the latest
  static constexpr std::size_t kMovesMin = 3;     ///< for a correction
  static constexpr std::size_t kRoutesMax = 256;  ///< the one that was used longest ago goes first
  static constexpr double kFactorMax = 4;         ///< a correction is at most this, or its inverse

  /// Notes one move. What was not predicted, or is no number, teaches nothing.
  void note(const Route& route, const StallAndLost& predicted, const StallAndLost& was);
  /// Corrects the planner's prediction.
  [[nodiscard]] CorrectedPrediction corrected(const Route& route, const StallAndLost& raw) const;

  [[nodiscard]] boost::json::object to_json() const;
  /// Throws Error{corrupt} for anything that to_json() does not write.
  [[nodiscard]] static PastPredictions from_json(const boost::json::value& json);

 private:
  /// What each move was, as a multiple of what had been predicted; the latest comes last.
  struct Past {
    Route route;
    std::vector<double> stall;
    std::vector<double> lost;
  };
  std::vector<Past> past_;  // the route used last comes last
};

}  // namespace cardswap
