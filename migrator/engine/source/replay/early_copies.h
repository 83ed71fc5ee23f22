#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "migrator/engine/update_entry.h"

namespace cardswap {

/// Copies of gradients that are made before their entry is in the update log. Keeps for which
/// parameters copies are wanted, which copies count as held, and which wait for the engine. A
/// parameter has at most one copy at a time, with a unique number. The copy counts as held from
/// before it is made until it is forgotten. One thread at a time.
class EarlyCopies {
 public:
  /// Sets the parameters for which copies are wanted: `parameters` is indexed by ParameterId, and a
  /// parameter beyond its end is not wanted.
  void want(std::vector<bool> parameters) { wanted_ = std::move(parameters); }
  /// Whether a copy for the parameter is wanted and none is held.
  [[nodiscard]] bool is_wanted(ParameterId parameter) const;
  /// Counts a copy of `bytes`, which is still to be made, as held, and returns its number.
  /// is_wanted() must be true.
  std::uint64_t reserve(ParameterId parameter, std::uint64_t bytes);
  /// Whether the copy with this number is held.
  [[nodiscard]] bool holds(ParameterId parameter, std::uint64_t number) const;
  /// No longer counts a copy for the parameter as held; does nothing if there is none.
  void forget(ParameterId parameter);
  /// The bytes of all copies that are held.
  [[nodiscard]] std::uint64_t held_bytes() const { return held_bytes_; }

  /// Appends a copy to the queue for the engine.
  void push(EarlyCopy copy) { waiting_.push_back(std::move(copy)); }
  /// Takes the first copy of that queue. Nullopt: it is empty.
  [[nodiscard]] std::optional<EarlyCopy> pop();
  [[nodiscard]] bool has_waiting() const { return !waiting_.empty(); }
  void drop_waiting() { waiting_.clear(); }

 private:
  /// A copy that counts as held.
  struct Held {
    std::uint64_t copy_number = 0;  // EarlyCopy::copy_number
    std::uint64_t bytes = 0;
  };

  std::vector<bool> wanted_;
  std::map<ParameterId, Held> held_;
  std::uint64_t held_bytes_ = 0;
  std::uint64_t numbered_ = 0;
  std::deque<EarlyCopy> waiting_;
};

}  // namespace cardswap
