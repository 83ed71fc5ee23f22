/// Records of a damaged journal, taken back by a restarted agent, and what Alertmanager posts.

#include <boost/json.hpp>
#include <vector>

#include "agent/handover/source/migration.h"
#include "agent/health/decisions/guards.h"
#include "agent/health/decisions/incident.h"
#include "agent/health/sources/alert.h"
#include "agent/jobs/job.h"
#include "agent/journal/versions.h"
#include "tests/fuzz/seeds.h"

std::vector<std::vector<std::byte>> cardswap::fuzz::seeds() {
  Job job;
  job.spec.name = "gpt";
  job.spec.argv = {"python", "train.py"};
  job.spec.env = {{"A", "b"}};
  job.instances.emplace_back(job, InstanceRecord{.state = InstanceState::running});
  MigrationRecord migration;
  migration.id = "m-1";
  migration.spec.to = "gpu-b/cpu:0";
  migration.history.emplace_back("planned", 1);
  migration.error = Error(Code::io, "disk");
  return {bytes_of(boost::json::serialize(to_journal(job))),
          bytes_of(boost::json::serialize(to_journal(migration, std::vector<TransferRecord>(1)))),
          bytes_of(boost::json::serialize(health::to_json(health::Incident()))),
          bytes_of(boost::json::serialize(health::Guards(health::Policy()).record())),
          bytes_of(R"({"version":"4","status":"firing","alerts":[{"status":"firing","labels":)"
                   R"({"alertname":"GpuHot","UUID":"GPU-1","severity":"critical"},)"
                   R"("annotations":{"summary":"hot"},"fingerprint":"1"}]})")};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cardswap;
  boost::system::error_code error;
  const auto value = boost::json::parse(fuzz::text(data, size), error);
  if (error || !value.is_object()) return 0;
  const auto take = [&](auto from_journal) {
    try {
      (void)from_journal(value.get_object());
    } catch (const Error&) {
    } catch (const boost::system::system_error&) {  // a number that does not fit
    }
  };
  take([](const auto& record) { return to_journal(Job(record)); });
  take([](const auto& record) { return to_journal(Job(from_version_2("job", record))); });
  take([](const auto& record) { return migration_from_journal(record); });
  take([](const auto& record) {
    return migration_from_journal(from_version_2("migration", record));
  });
  take([](const auto& record) { return health::incident_from_journal(record); });
  take([](const auto& record) { return health::webhook_from(record); });
  take([](const auto& record) {
    const health::Policy policy;
    health::Guards guards(policy);
    guards.restore(record, 1'700'000'000'000);
    return guards.refusal(1'700'000'000'000);
  });
  return 0;
}
