#include "agent/cli/snapshots/last_snapshot.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <iostream>
#include <thread>

#include "agent/cli/snapshots/begin_snapshot.h"
#include "agent/cli/text/fields.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kAskEvery{200};

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
  auto migration = begin_snapshot(context, client, spec, WhileBusy::waits);
  const auto id = text(migration, "id");
  while (value_at(migration, "result") == nullptr) {
    std::this_thread::sleep_for(kAskEvery);
    migration = client.call("GET", "/v1/migrations/" + id);
  }
  if (text(migration, "result") != "stored") {
    throw Error(http::error_from_json(object_at(migration, "error")))
        .within(fmt::format("job {} trains on, because its last snapshot failed", job));
  }
  if (context.quiet) return;
  std::cerr << fmt::format("job {} is kept as of step {}: cardswap restore {}@{} --store {}\n", job,
                           text(migration, "migrated_at_step"), job,
                           text(migration, "migrated_at_step"), spec.store);
}

}  // namespace cardswap::cli
