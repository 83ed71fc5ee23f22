#include "migrator/engine/source/replay/early_copies.h"

#include <cstddef>

namespace cardswap {

bool EarlyCopies::is_wanted(ParameterId parameter) const {
  const auto index = static_cast<std::size_t>(parameter);
  return index < wanted_.size() && wanted_[index] && !held_.contains(parameter);
}

std::uint64_t EarlyCopies::reserve(ParameterId parameter, std::uint64_t bytes) {
  held_[parameter] = {++numbered_, bytes};
  held_bytes_ += bytes;
  return numbered_;
}

bool EarlyCopies::holds(ParameterId parameter, std::uint64_t number) const {
  const auto found = held_.find(parameter);
  return found != held_.end() && found->second.copy_number == number;
}

void EarlyCopies::forget(ParameterId parameter) {
  const auto found = held_.find(parameter);
  if (found == held_.end()) return;
  held_bytes_ -= found->second.bytes;
  held_.erase(found);
}

std::optional<EarlyCopy> EarlyCopies::pop() {
  if (waiting_.empty()) return std::nullopt;
  auto copy = std::move(waiting_.front());
  waiting_.pop_front();
  return copy;
}

}  // namespace cardswap
