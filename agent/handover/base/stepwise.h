#pragma once

#include <spdlog/spdlog.h>

#include <cassert>
#include <string_view>
#include <utility>

#include "migrator/base/named.h"

namespace cardswap {

/// A state that changes only by the steps that may_follow(from, to) allows; that function is
/// declared beside the enumeration. Begins with the first enumerator. Logs each step at debug. One
/// thread.
template <Named Enum>
class Stepwise {
 public:
  // Not explicit: it is read like the enumeration.
  operator Enum() const { return now_; }  // NOLINT(google-explicit-constructor)
  [[nodiscard]] bool may(Enum next) const { return next == now_ || may_follow(now_, next); }
  /// Goes to `next`; does nothing if that is the state already. A step that may_follow() does not
  /// allow is a defect (an assertion fails): ask may() first for steps that others trigger. `whose`
  /// is for the log.
  void step(Enum next, std::string_view whose) {
    if (next == now_) return;
    assert(may_follow(now_, next));
    const auto before = std::exchange(now_, next);
    spdlog::debug("{}: {}, was {}", whose, to_string(next), to_string(before));
  }

 private:
  Enum now_{};
};

}  // namespace cardswap
