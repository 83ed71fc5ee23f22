#include "agent/handover/snapshot_check.h"

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <utility>

#include "agent/process/run_in_child.h"
#include "migrator/base/error.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/open_store.h"
#include "migrator/store/read_intent.h"
#include "migrator/store/snapshot_reader.h"

namespace cardswap {
namespace {

constexpr std::chrono::minutes kCheckMax{30};

/// Runs in the child.
void read_whole(const SnapshotCheck& check) {
  const auto in = store::open_store(check.store);
  const store::ReadIntent reading(*in, check.job);  // before it looks at anything
  const auto id = store::object_id_from(check.manifest);
  const auto about = store::get_manifest(*in, id);
  if (about.job != check.job) {
    throw Error(Code::bad_request,
                fmt::format("that snapshot is of job {}, not of {}", about.job, check.job));
  }
  store::PackCatalog catalog;
  catalog.refresh(*in);
  const store::SnapshotReader reader(*in, catalog,
                                     {about.job, 0, id, about.branch, about.step, about.epoch});
  const auto damaged = reader.verify();
  if (damaged.empty()) return;
  throw Error(Code::corrupt,
              fmt::format("the snapshot of step {} is damaged: {}: {}", about.step,
                          damaged.front().object, damaged.front().what),
              "`cardswap verify` names all that is damaged; `cardswap history` lists others");
}

}  // namespace

boost::asio::awaitable<void> check_snapshot_whole(SnapshotCheck check) {
  auto user = check.user;
  std::function<std::string()> read = [&check] {
    read_whole(check);
    return std::string();
  };
  (void)co_await run_as_user(std::move(user), kCheckMax, std::move(read));
}

}  // namespace cardswap
