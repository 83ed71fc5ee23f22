#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "migrator/engine/update.h"

namespace cardswap {

/// Copies of gradients that come ahead of their update log's entry. It knows for which parameters
/// copies are wanted, which copies are held, and which wait for the engine. A parameter has one
/// copy at a time, under a number of its own; the copy is held from before it is made until the
/// entry or the engine releases it. One thread at a time.
class EarlyCopies {
 public:
  /// Wants those of these parameters from now on: one truth a ParameterId.
  void want(std::vector<bool> parameters) { wanted_ = std::move(parameters); }
  /// Whether one of the parameter is wanted, and none is held.
  [[nodiscard]] bool wants(ParameterId parameter) const;
  /// Holds a copy of so many bytes that is to be made: its number.
  std::uint64_t hold(ParameterId parameter, std::uint64_t bytes);
  /// Whether that very copy of the parameter is held.
  [[nodiscard]] bool holds(ParameterId parameter, std::uint64_t number) const;
  /// Holds no copy of the parameter any more, if it did.
  void forget(ParameterId parameter);
  /// The bytes of all that are held.
  [[nodiscard]] std::uint64_t held_bytes() const { return held_bytes_; }

  /// Puts a copy that was made behind those that wait.
  void push(EarlyCopy copy) { waiting_.push_back(std::move(copy)); }
  [[nodiscard]] std::optional<EarlyCopy> pop();
  [[nodiscard]] bool has_waiting() const { return !waiting_.empty(); }
  void drop_waiting() { waiting_.clear(); }

 private:
  /// A copy that counts as held.
  struct Held {
    std::uint64_t number = 0;  // EarlyCopy::number
    std::uint64_t bytes = 0;
  };

  std::vector<bool> wanted_;
  std::map<ParameterId, Held> held_;
  std::uint64_t held_bytes_ = 0;
  std::uint64_t numbered_ = 0;
  std::deque<EarlyCopy> waiting_;
};

}  // namespace cardswap
