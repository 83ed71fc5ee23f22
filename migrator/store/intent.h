#pragma once

#include <string>

#include "migrator/store/refs.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// An object which tells that a job's snapshots are being written or read: while it exists, a prune
/// removes nothing that was not in trash before. Its owner is who writes or reads: each
/// SnapshotWriter makes one, and who reads makes a ReadIntent. Make it before you list refs. The
/// destructor removes the object; if the process is killed, the object stays until somebody who
/// knows of that removes it. Its bytes are for people: no program reads them. The store outlives
/// this.
class Intent {
 public:
  /// Puts the object. Throws Error{conflict} when an intent with this name exists,
  /// Error{bad_request} when `job` or `owner` is not a label (is_label()), and what the store
  /// throws.
  Intent(Store& store, const std::string& job, const std::string& owner);
  ~Intent();
  Intent(const Intent&) = delete;
  Intent& operator=(const Intent&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  /// Whether the object still exists; false: somebody believed its owner dead and removed it.
  [[nodiscard]] bool is_there() const;
  /// Removes the object. Throws what the store throws; the destructor would ignore it.
  void end();

 private:
  Store& store_;
  const std::string name_;
  bool put_ = false;
};

}  // namespace cardswap::store
