#pragma once

#include <string>

#include "migrator/store/refs.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// Says that somebody reads or writes a job's snapshots now: a prune removes nothing then that was
/// not in trash before. Put it before refs are listed. Gone with its owner; where that was killed,
/// whoever knows that removes the object. The store outlives it.
class Intent {
 public:
  /// Throws Error{conflict} where another is called so, Error{bad_request} for a name that is none.
  Intent(Store& store, const std::string& job, const std::string& who);
  ~Intent();
  Intent(const Intent&) = delete;
  Intent& operator=(const Intent&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  /// Whether nobody took its owner for dead.
  [[nodiscard]] bool is_there() const;
  /// Takes it back, and throws what the store throws, which the destructor does not.
  void end();

 private:
  Store& store_;
  const std::string name_;
  bool put_ = false;
};

}  // namespace cardswap::store
