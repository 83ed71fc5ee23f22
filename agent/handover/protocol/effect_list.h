#pragma once

#include <array>
#include <cstddef>

namespace cardswap::handover {

/// The effects of one event, in the order in which they are done; at most `Most`
/// (std::out_of_range above that). At most one is `journal`, and it comes first: it writes the side
/// as it is after the event, and a second one that the disk refuses would leave an event that has
/// happened by half. `Effect` has a Type, one of which is `journal`, and `required`.
template <class Effect, std::size_t Most>
class EffectList {
 public:
  void add(const Effect& effect) {
    effects_.at(size_) = effect;
    ++size_;
  }
  /// Adds the effects of what the same event led to next. The record is written once: it is
  /// required if it was in either.
  void append(const EffectList& more) {
    for (const auto& effect : more) {
      auto* const first = begin();
      if (effect.type == Effect::Type::journal && !empty() && first->type == effect.type) {
        first->required = first->required || effect.required;
      } else {
        add(effect);
      }
    }
  }
  [[nodiscard]] const Effect* begin() const { return effects_.data(); }
  [[nodiscard]] const Effect* end() const { return effects_.data() + size_; }
  [[nodiscard]] Effect* begin() { return effects_.data(); }
  [[nodiscard]] Effect* end() { return effects_.data() + size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::array<Effect, Most> effects_{};
  std::size_t size_ = 0;
};

}  // namespace cardswap::handover
