#include "agent/journal/versions.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <utility>

namespace cardswap {
namespace {

namespace json = boost::json;

constexpr std::array kOfTheJob{"name",    "uid",        "argv",      "cwd",     "env",
                               "restart", "user",       "arrive",    "epoch",   "newer_epoch",
                               "standby", "superseded", "migration", "restarts"};

constexpr std::array kOfTheTransfer{"instance",    "from",           "predicted_downtime_ms",
                                    "downtime_ms", "clock_error_ms", "warning",
                                    "progress",    "process",        "keeper",
                                    "timeline"};

/// The record keeps its id, which was that of the job's process.
json::object job_with_instances(json::object record) {
  json::object job;
  json::object instance{{"rank", 0}};
  for (auto& [key, value] : record) {
    const bool of_job = std::ranges::find(kOfTheJob, std::string_view(key)) != kOfTheJob.end();
    (of_job ? job : instance)[key] = std::move(value);
  }
  if (const auto* id = instance.if_contains("instance")) job["id"] = *id;
  job["world_size"] = 1;
  job["instances"] = json::array{std::move(instance)};
  return job;
}

json::object migration_with_transfers(json::object record) {
  json::object migration;
  json::object transfer{{"rank", 0}};
  for (auto& [key, value] : record) {
    const bool of_transfer =
        std::ranges::find(kOfTheTransfer, std::string_view(key)) != kOfTheTransfer.end();
    (of_transfer ? transfer : migration)[key] = std::move(value);
  }
  if (const auto* to = migration.if_contains("to")) transfer["to"] = *to;
  migration["transfers"] = json::array{std::move(transfer)};
  return migration;
}

}  // namespace

json::object from_version_2(std::string_view kind, json::object record) {
  if (kind == "job") return job_with_instances(std::move(record));
  if (kind == "migration") return migration_with_transfers(std::move(record));
  return record;
}

}  // namespace cardswap
