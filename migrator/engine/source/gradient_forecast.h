#pragma once

#include <cstdint>

namespace cardswap {

/// Predicts the next step's gradients: how many bytes they are, and how many of those will be left
/// when the step's entry comes, because the others went ahead of it. Both follow the steps before:
/// growth is believed at once, a decrease slowly. A step may have several entries, one behind
/// another, which count together. Pure; one thread.
class GradientForecast {
 public:
  /// Notes an entry: the bytes of its gradients, and how many of these went ahead of it.
  void note(std::uint64_t step, std::uint64_t bytes, std::uint64_t ahead);

  /// The step of the latest entry; 0: there was none.
  [[nodiscard]] std::uint64_t latest_step() const { return latest_step_; }
  /// The most that a step had so far.
  [[nodiscard]] std::uint64_t most_bytes() const { return most_bytes_; }
  /// What is to be expected of the next one.
  [[nodiscard]] std::uint64_t usual_bytes() const { return usual_bytes_; }
  /// What is to be expected to be left of it for its entry: all, unless gradients go ahead.
  [[nodiscard]] std::uint64_t usual_rest_bytes() const { return usual_rest_bytes_; }

 private:
  void note_rest(std::uint64_t step, std::uint64_t left, double decay);

  std::uint64_t latest_step_ = 0;
  std::uint64_t latest_bytes_ = 0;  // bytes of that step's entries, so far
  std::uint64_t most_bytes_ = 0;
  std::uint64_t usual_bytes_ = 0;
  std::uint64_t rest_step_ = 0;          // of the latest entry that had gradients
  std::uint64_t latest_rest_bytes_ = 0;  // what that step's entries have left, so far
  std::uint64_t usual_rest_bytes_ = 0;
};

}  // namespace cardswap
