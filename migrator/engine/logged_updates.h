#pragma once

#include <optional>

#include "migrator/core/digest.h"
#include "migrator/engine/update_entry.h"

namespace cardswap {

/// Updates that were taken before, by another process: a target that holds the state before the
/// first of them gets to the state after the last one by replaying them.
class LoggedUpdates {
 public:
  virtual ~LoggedUpdates() = default;
  /// The next update. Nullopt: there is none further. Called on one thread at a time, which may
  /// wait for a disk. Throws why it cannot be had.
  [[nodiscard]] virtual std::optional<UpdateEntry> next() = 0;
  /// The digest of the state to which they lead.
  [[nodiscard]] virtual Digest state_digest() const = 0;
};

}  // namespace cardswap
