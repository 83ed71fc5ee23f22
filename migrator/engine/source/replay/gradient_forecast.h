#pragma once

#include <cstdint>

namespace cardswap {

/// Predicts the gradients of the next step: their bytes, and the rest of them that will not have
/// been sent early when the step's entry comes. Both follow the previous steps: an increase is
/// taken over at once, a decrease slowly. Also predicts how long the step's entry takes to go. The
/// entries of one step count together. No clock, no I/O; one thread.
class GradientForecast {
 public:
  /// Notes an entry: the bytes of its gradients, and how many of these were sent before it.
  void note(std::uint64_t step, std::uint64_t bytes, std::uint64_t ahead);

  /// Notes how long an entry of `step` took, from when it came until the link had sent it.
  void note_sent(std::uint64_t step, double took_ms);

  /// The step of the latest entry; 0: no entry yet.
  [[nodiscard]] std::uint64_t latest_step() const { return latest_step_; }
  /// The most bytes that one step had so far.
  [[nodiscard]] std::uint64_t most_bytes() const { return most_bytes_; }
  /// The bytes to be expected for the next step.
  [[nodiscard]] std::uint64_t usual_bytes() const { return usual_bytes_; }
  /// How many of them are to be expected to go with its entry: all, if no gradients are sent early.
  [[nodiscard]] std::uint64_t usual_rest_bytes() const { return usual_rest_bytes_; }
  /// How long the next step's entry is to be expected to take: an average, of which the latest
  /// step's is half. 0: none was noted.
  [[nodiscard]] double usual_sent_ms() const;

 private:
  void note_rest(std::uint64_t step, std::uint64_t left, double decay);

  std::uint64_t latest_step_ = 0;
  std::uint64_t latest_bytes_ = 0;  // bytes of that step's entries, so far
  std::uint64_t most_bytes_ = 0;
  std::uint64_t usual_bytes_ = 0;
  std::uint64_t rest_step_ = 0;          // of the latest entry that had gradients
  std::uint64_t latest_rest_bytes_ = 0;  // what that step's entries have left, so far
  std::uint64_t usual_rest_bytes_ = 0;
  std::uint64_t sent_step_ = 0;  // of the latest entry whose time was noted
  double latest_sent_ms_ = 0;    // of that step's entries, so far
  double former_sent_ms_ = 0;    // the average without that step; 0: there is none
};

}  // namespace cardswap
