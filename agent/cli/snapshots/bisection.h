#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace cardswap::cli {

/// What a probe says of a snapshot.
enum class ProbeVerdict : std::uint8_t {
  good,
  bad,
  skipped,  ///< it cannot be told
};

/// The search for the first bad one of a row, of which the first is good and the last is bad. By
/// halves, as `git bisect` does. Pure.
class Bisection {
 public:
  /// `count` is at least 2.
  explicit Bisection(std::size_t count) : bad_(count - 1), verdicts_(count) {}

  /// Which one is probed next: the nearest to the middle that was not skipped. Nullopt: the search
  /// is over.
  [[nodiscard]] std::optional<std::size_t> next() const;
  /// Takes what a probe says of `index`, which next() gave: one that was not asked for would break
  /// the search. Throws std::out_of_range past the end.
  void note(std::size_t index, ProbeVerdict verdict);

  /// The last one that is known to be good.
  [[nodiscard]] std::size_t good() const { return good_; }
  /// The first one that is known to be bad.
  [[nodiscard]] std::size_t bad() const { return bad_; }
  /// The ones between both. When the search is over they were skipped, and any of them may be the
  /// first bad one.
  [[nodiscard]] std::vector<std::size_t> between() const;

 private:
  std::size_t good_ = 0;
  std::size_t bad_ = 0;
  std::vector<std::optional<ProbeVerdict>> verdicts_;
};

}  // namespace cardswap::cli
