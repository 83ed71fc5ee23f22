#pragma once

#include <string>

#include "agent/cli/command_context.h"
#include "migrator/store/read_intent.h"
#include "migrator/store/store.h"

namespace cardswap::cli {

/// The snapshots of a store while a command reads them: no prune removes one that the store shows
/// from now on. Make it before the command chooses a snapshot. The store outlives it.
class HeldSnapshots {
 public:
  /// `job`: any whose snapshots are read; those of the others are held as well. Where the user may
  /// not write the store they are not held, which is said on stderr unless `quiet`. Throws
  /// Error{bad_request} when `job` is not a job's name.
  HeldSnapshots(const Context& context, store::Store& in, const std::string& job);

 private:
  const store::ReadIntent intent_;
};

}  // namespace cardswap::cli
