#pragma once

#include <spdlog/spdlog.h>

#include <cassert>
#include <string_view>
#include <utility>

#include "migrator/base/named.h"

namespace cardswap {

/// A value of an enumeration that goes from one to the next by the steps that may_follow(from, to),
/// which stands beside the enumeration, allows. Each step is in the log. It begins with the first.
/// One thread.
template <Named Enum>
class Stepwise {
 public:
  // Not explicit: it is read as what it holds.
  operator Enum() const { return now_; }  // NOLINT(google-explicit-constructor)
  [[nodiscard]] bool may(Enum next) const { return next == now_ || may_follow(now_, next); }
  /// Another step than those is a defect of whoever takes it: what comes from outside is asked of
  /// may() first. `whose` is for the log.
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
