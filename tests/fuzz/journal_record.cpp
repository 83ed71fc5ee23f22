/// Records of a damaged journal, taken back by a restarted agent; what Alertmanager posts; and what
/// the agents of a gang send each other.

#include <boost/json.hpp>
#include <cstdlib>
#include <vector>

#include "agent/gang/messages.h"
#include "agent/gang/protocol/gang_side.h"
#include "agent/gang/protocol/rank_side.h"
#include "agent/gang/records.h"
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
  return {
      bytes_of(boost::json::serialize(to_journal(job))),
      bytes_of(boost::json::serialize(to_journal(migration, std::vector<TransferRecord>(1)))),
      bytes_of(boost::json::serialize(health::to_json(health::Incident()))),
      bytes_of(boost::json::serialize(health::Guards(health::Policy()).record())),
      bytes_of(boost::json::serialize(gang::to_json(gang::Order{gang::Order::Kind::go, 2, 1, 7}))),
      bytes_of(boost::json::serialize(
          gang::to_json(gang::RankStatus{2, gang::RankState::ready, 7, {}}))),
      bytes_of(boost::json::serialize(gang::to_journal(
          gang::GangDurable{gang::GangState::committed, 2, 1, 7, false, {gang::GangRank{}}}))),
      bytes_of(boost::json::serialize(gang::to_journal(
          gang::RankDurable{gang::RankState::ready, gang::Part::leaves, 2, 1, 7, {}}))),
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
  take([](const auto& record) {
    const auto order = gang::order_from(record);
    if (gang::order_from(gang::to_json(order)) != order) std::abort();
    for (std::size_t i = 0; i < gang::kRankStates; ++i) {
      gang::RankSide rank({static_cast<gang::RankState>(i), gang::Part::stays, order.epoch, 1, 7});
      (void)rank.on(order);
      (void)gang::to_json(rank.status());
    }
    return order;
  });
  take([](const auto& record) {
    const auto status = gang::rank_status_from("gpu-b:7070", record);
    if (gang::rank_status_from("gpu-b:7070", gang::to_json(status)) != status) std::abort();
    for (std::size_t i = 0; i < gang::kGangStates; ++i) {
      gang::GangSide side({static_cast<gang::GangState>(i), status.epoch, 1, 7, false,
                           std::vector<gang::GangRank>(2)});
      (void)side.on(1, status);
    }
    return status;
  });
  take([](const auto& record) { return gang::to_journal(gang::gang_from_journal(record)); });
  take([](const auto& record) { return gang::to_journal(gang::rank_from_journal(record)); });
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
