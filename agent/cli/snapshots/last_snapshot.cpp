#include "agent/cli/snapshots/last_snapshot.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <iostream>

#include "agent/cli/follow_migration.h"
#include "agent/cli/snapshots/begin_snapshot.h"
#include "agent/cli/text/fields.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

std::string store_of(Client& client, const std::string& job) {
  const auto shown = client.call("GET", "/v1/jobs/" + http::percent_encoded(job));
  auto store = printable_at(object_at(shown, "protection"), "store");
  if (!store.empty()) return store;
  throw Error(Code::bad_request,
              fmt::format("job {} is not protected: a last snapshot of it goes where?", job),
              "--to file:/FOLDER, of the job's host");
}

}  // namespace

void keep_last_state(const Context& context, const std::string& job, const std::string& store) {
  auto client = context.client();
  MigrationSpec spec;
  spec.job = job;
  spec.store = store.empty() ? store_of(client, job) : store;
  spec.max_stall_ms = 0;
  const auto kept =
      await_result(context, client, begin_snapshot(context, client, spec, WhileBusy::waits));
  if (!has_worked(kept)) {
    throw Error(http::error_from_json(object_at(kept, "error")))
        .within(fmt::format("job {} trains on, because its last snapshot failed", job));
  }
  const auto step = text(kept, "migrated_at_step");
  if (context.interrupts.has_come()) {
    throw Error(Code::cancelled,
                fmt::format("interrupted: job {} is kept as of step {}, and trains on", job, step),
                fmt::format("`cardswap stop {}` stops it", job));
  }
  if (context.quiet) return;
  std::cerr << fmt::format("job {} is kept as of step {}: cardswap restore {}@{} --store {}\n", job,
                           step, job, step, spec.store);
}

}  // namespace cardswap::cli
