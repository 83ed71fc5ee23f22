#include "agent/cli/snapshots/latest_snapshot.h"

#include <fmt/format.h>

#include "migrator/base/error.h"
#include "migrator/store/branch_name.h"
#include "migrator/store/open_store.h"

namespace cardswap::cli {

std::optional<Continuation> find_latest(const std::string& address, const std::string& job) {
  const auto in = store::open_store(address);
  const auto list = store::refs_of(*in, job);
  if (list.last_number == 0 && list.damaged.empty()) return std::nullopt;
  if (list.refs.empty() || list.refs.back().number != list.last_number) {
    const auto what = list.damaged.empty()
                          ? std::string("it is being pruned")
                          : list.damaged.back().object + ": " + list.damaged.back().what;
    throw Error(Code::corrupt,
                fmt::format("the latest snapshot of job {} cannot be used: {}", job, what),
                "`cardswap history` lists the others: `cardswap restore JOB@STEP` takes one of "
                "them, `cardswap run --resume none` begins at the first step");
  }
  const auto& latest = list.refs.back();
  return Continuation{latest, store::branch_after(list.refs, latest)};
}

}  // namespace cardswap::cli
