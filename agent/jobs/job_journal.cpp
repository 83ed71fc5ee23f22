// A job as the journal keeps it: one record with its instances.

#include <spdlog/spdlog.h>

#include <boost/json.hpp>

#include "agent/base/json_archive.h"
#include "agent/base/text_parts.h"
#include "agent/jobs/job.h"
#include "agent/jobs/text_json.h"
#include "migrator/base/error.h"

namespace cardswap {

namespace json = boost::json;

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Job>& m) {
  a("id", m.id);
  a("name", m.spec.name);
  a("uid", m.spec.uid);
  a("cwd", m.spec.cwd);
  a("restart", m.spec.restart);
  a("user", m.spec.user);
  a("arrive", m.spec.arrive);
  a("world_size", m.world_size);
  a("epoch", m.epoch);
  a("newer_epoch", m.newer_epoch);
  a("standby", m.standby);
  a("superseded", m.superseded);
  a("migration", m.migration);
  a("restarts", m.restarts);
  a("branch", m.spec.branch);
  a("restored_from", m.spec.restored_from);
  a("resume_store", m.spec.fallback_store);
  a("resume_first", m.spec.fallback_first);
  a("first_snapshot", m.spec.first_snapshot);
  a("hold_at", m.spec.hold_at);
  a("again_until", m.spec.again_until);
}

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, InstanceRecord>& m) {
  a("instance", m.id);
  a("rank", m.rank);
  a("state", m.state);
  a("device", m.device);
  a("token", m.token);
  a("pid", m.program.pid);
  a("start_time", m.program.start_time);
  a("parent_pid", m.parent.pid);
  a("parent_start_time", m.parent.start_time);
  a("boot_id", m.boot_id);
  a("init_pid", m.init.pid);
  a("init_start_time", m.init.start_time);
  a("moved_to", m.moved_to);
  a("came_from", m.came_from);
  a("keeps_places", m.keeps_places);
  a("state_bytes", m.state_bytes);
  a("replayed_bytes", m.replayed_bytes);
  a("update_bytes", m.update_bytes);
  a.renamed("relocatable_bytes", m.relocatable_bytes, "homed_bytes");
  a("reserved_bytes", m.reserved_bytes);
  a("exit_text", m.exit_text);
  a("started_at_ms", m.started_at_ms);
  a("ended_at_ms", m.ended_at_ms);
  a("log_path", m.log_path);
  a("step", m.step);
}

namespace {

std::map<std::uint32_t, std::string> moved_ranks_in(const json::object& from) {
  std::map<std::uint32_t, std::string> moved;
  for (const auto& [rank, to] : text_map_at(from, "moved_ranks")) {
    if (const auto number = number_in<std::uint32_t>(rank)) moved[*number] = to;
  }
  return moved;
}

std::optional<int> number_or_none(const json::object& from, std::string_view key) {
  int number = 0;
  return read_recorded(from, key, number) ? std::optional(number) : std::nullopt;
}

json::object record_of(const InstanceRecord& instance) {
  json::object record;
  put_fields(record, instance);
  if (!instance.moved_ranks.empty()) {
    json::object moved;
    for (const auto& [rank, to] : instance.moved_ranks) moved[std::to_string(rank)] = to;
    record["moved_ranks"] = std::move(moved);
  }
  record["exit_code"] = value_or_null(instance.exit_code);
  record["exit_signal"] = value_or_null(instance.exit_signal);
  return record;
}

}  // namespace

json::object to_journal(const Job& job) {
  json::object record;
  put_fields(record, job);
  record["argv"] = json_of(job.spec.argv);
  record["env"] = json_of(job.spec.env);
  if (job.spec.protection) {
    record["protection"] = to_json(*job.spec.protection);
    record["protection_notes"] = to_journal(job.protection_notes);
  }
  record["recovery"] = to_journal(job.recovery);
  json::array instances;
  for (const auto& instance : job.instances) instances.push_back(record_of(instance.record()));
  record["instances"] = std::move(instances);
  return record;
}

Job::Job(const json::object& record) {
  epoch = 0;  // of one that does not say, nothing is known to have been granted
  read_fields(record, *this);
  spec.argv = texts_at(record, "argv");
  spec.env = text_map_at(record, "env");
  try {
    spec.protection = protection_in(record);
  } catch (const Error& error) {  // of a later release, perhaps: the job counts for more
    spdlog::error("job {}: its protection cannot be read: {}", spec.name, error.what());
  }
  protection_notes = protection_notes_from_journal(object_at(record, "protection_notes"));
  recovery = recovery_notes_from_journal(object_at(record, "recovery"));
  for (const auto& item : array_at(record, "instances")) {
    if (!item.is_object()) continue;
    const auto& one = item.get_object();
    InstanceRecord instance;
    instance.state = InstanceState::lost;  // of one that does not say
    read_fields(one, instance);
    instance.moved_ranks = moved_ranks_in(one);
    instance.exit_code = number_or_none(one, "exit_code");
    instance.exit_signal = number_or_none(one, "exit_signal");
    instances.emplace_back(*this, std::move(instance));
  }
  if (instances.empty()) throw Error(Code::corrupt, "the record of a job has no process");
}

}  // namespace cardswap
