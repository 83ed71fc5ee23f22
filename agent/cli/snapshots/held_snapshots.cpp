#include "agent/cli/snapshots/held_snapshots.h"

#include <fmt/format.h>

#include <iostream>

namespace cardswap::cli {

HeldSnapshots::HeldSnapshots(const Context& context, store::Store& in, const std::string& job)
    : intent_(in, job) {
  if (!intent_.failed() || context.quiet) return;
  std::cerr << fmt::format(
      "cardswap: no prune knows that this command reads the store, because it may not write there "
      "({}): a snapshot that is given up meanwhile may be gone before it is read\n",
      intent_.failed()->failure());
}

}  // namespace cardswap::cli
