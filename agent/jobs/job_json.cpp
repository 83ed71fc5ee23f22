#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/base/outside.h"
#include "agent/jobs/job_journal.h"
#include "agent/jobs/jobs.h"
#include "agent/jobs/obstacles.h"
#include "migrator/core/error.h"

namespace cardswap {
namespace {

namespace json = boost::json;

std::optional<int> int_of(const json::object& from, std::string_view key) {
  int number = 0;
  return take_recorded(from, key, number) ? std::optional(number) : std::nullopt;
}

std::vector<std::string> strings_of(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  if (value == nullptr || !value->is_array()) {
    throw Error(Code::bad_request, fmt::format("the field '{}' must be a list of strings", key));
  }
  std::vector<std::string> result;
  for (const auto& item : value->get_array()) {
    if (!item.is_string() || item.get_string().find('\0') != json::string::npos) {
      throw Error(Code::bad_request, fmt::format("the field '{}' must be a list of strings", key));
    }
    result.emplace_back(item.get_string());
  }
  return result;
}

std::map<std::string, std::string> map_of(const json::object& from, std::string_view key) {
  std::map<std::string, std::string> result;
  const auto* value = from.if_contains(key);
  if (value == nullptr || value->is_null()) return result;
  if (!value->is_object()) {
    throw Error(Code::bad_request, fmt::format("the field '{}' must be an object", key));
  }
  for (const auto& item : value->get_object()) {
    if (!item.value().is_string()) {
      throw Error(Code::bad_request,
                  fmt::format("'{}.{}' must be a string", key, std::string(item.key())));
    }
    result.emplace(item.key(), item.value().get_string());
  }
  return result;
}

// ---- of what others want started: absent and null are empty, another type is refused

std::string told_text(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  if (value == nullptr || value->is_null()) return {};
  outside::check(value->is_string(), key, "text");
  return std::string(value->get_string());
}

std::map<std::string, std::string> told_env(const json::object& from) {
  auto env = map_of(from, "env");
  outside::check(env.size() <= outside::kArgumentsMax, "env",
                 "environment: it has too many variables");
  for (const auto& [name, value] : env) {
    outside::check(outside::is_variable(name) && outside::is_argument(value), "env",
                   "environment: a name has a '=' or a NUL, or a value a NUL");
  }
  return env;
}

json::array to_array(const std::vector<std::string>& texts) {
  json::array result;
  for (const auto& text : texts) result.emplace_back(text);
  return result;
}
json::array to_array(const std::vector<pid_t>& numbers) {
  json::array result;
  for (const auto number : numbers) result.emplace_back(number);
  return result;
}
json::object to_object(const std::map<std::string, std::string>& map) {
  json::object result;
  for (const auto& [key, value] : map) result[key] = value;
  return result;
}

}  // namespace

bool is_job_name(std::string_view name) { return outside::is_job_name(name); }

json::object to_json(const Job& job) {
  return {
      {"name", job.name},
      {"uid", job.uid},
      {"state", job.state},
      {"device", job.device},
      {"user", text_or_null(job.user)},
      {"arrive", job.arrive},
      {"argv", to_array(job.argv)},
      {"cwd", job.cwd},
      {"pid",
       job.live() && !job.is_being_started() ? json::value(job.process.pid) : json::value(nullptr)},
      {"still_alive", to_array(still_alive(job))},
      {"epoch", job.epoch},
      {"newer_epoch", job.newer_epoch == 0 ? json::value(nullptr) : json::value(job.newer_epoch)},
      {"step", job.step},
      {"median_step_ms", job.median_step_ms},
      {"state_bytes", job.state_bytes},
      {"replayed_bytes", job.replayed_bytes},
      {"update_bytes", job.update_bytes},
      {"homed_bytes", job.relocatable_bytes},
      {"attached", job.attached},
      {"framework", text_or_null(job.framework)},
      {"cannot_move", obstacles_json(job.obstacles)},
      {"exit_code", value_or_null(job.exit_code)},
      {"exit_signal", value_or_null(job.exit_signal)},
      {"exit_text", text_or_null(job.exit_text)},
      {"restarts", job.restarts},
      {"started_at_ms", job.started_at_ms},
      {"ended_at_ms", job.ended_at_ms == 0 ? json::value(nullptr) : json::value(job.ended_at_ms)},
      {"migration", text_or_null(job.migration)},
      {"moved_to", text_or_null(job.moved_to)},
      {"came_from", text_or_null(job.came_from)},
      {"log_path", job.log_path}};
}

json::object to_journal(const Job& job) {
  auto record = to_json(job);
  record.erase("still_alive");
  record["instance"] = job.instance;
  record["env"] = to_object(job.env);
  record["restart"] = job.restart;
  record["token"] = job.token;
  record["pid"] = job.process.pid;
  record["start_time"] = job.process.start_time;
  record["parent_pid"] = job.parent.pid;
  record["parent_start_time"] = job.parent.start_time;
  record["boot_id"] = job.boot_id;
  record["init_pid"] = job.init.pid;
  record["init_start_time"] = job.init.start_time;
  record["standby"] = job.standby;
  record["superseded"] = job.superseded;
  record["reserved_bytes"] = job.reserved_bytes;
  return record;
}

Job job_from_journal(const json::object& record) {
  Job job;
  job.instance = text_at(record, "instance");
  job.name = text_at(record, "name");
  job.uid = text_at(record, "uid");
  job.state = text_at(record, "state");
  job.device = text_at(record, "device");
  job.argv = strings_of(record, "argv");
  job.cwd = text_at(record, "cwd");
  job.env = map_of(record, "env");
  job.restart = text_at(record, "restart");
  job.user = text_at(record, "user");
  job.token = text_at(record, "token");
  job.process = {recorded_number<pid_t>(record, "pid"),
                 recorded_number<std::uint64_t>(record, "start_time")};
  job.parent = {recorded_number<pid_t>(record, "parent_pid"),
                recorded_number<std::uint64_t>(record, "parent_start_time")};
  job.boot_id = text_at(record, "boot_id");
  job.init = {recorded_number<pid_t>(record, "init_pid"),
              recorded_number<std::uint64_t>(record, "init_start_time")};
  job.arrive = text_at(record, "arrive");
  job.standby = flag_at(record, "standby");
  job.superseded = flag_at(record, "superseded");
  job.epoch = recorded_number<std::uint64_t>(record, "epoch");
  job.newer_epoch = recorded_number<std::uint64_t>(record, "newer_epoch");
  job.step = job.saved_step = recorded_number<std::uint64_t>(record, "step");
  job.state_bytes = recorded_number<std::uint64_t>(record, "state_bytes");
  job.replayed_bytes = recorded_number<std::uint64_t>(record, "replayed_bytes");
  job.update_bytes = recorded_number<std::uint64_t>(record, "update_bytes");
  job.relocatable_bytes = recorded_number<std::uint64_t>(record, "homed_bytes");
  job.reserved_bytes = recorded_number<std::uint64_t>(record, "reserved_bytes");
  job.migration = text_at(record, "migration");
  job.moved_to = text_at(record, "moved_to");
  job.came_from = text_at(record, "came_from");
  job.exit_code = int_of(record, "exit_code");
  job.exit_signal = int_of(record, "exit_signal");
  job.exit_text = text_at(record, "exit_text");
  job.restarts = recorded_number<std::uint32_t>(record, "restarts");
  job.started_at_ms = recorded_number<std::int64_t>(record, "started_at_ms");
  job.ended_at_ms = recorded_number<std::int64_t>(record, "ended_at_ms");
  job.log_path = text_at(record, "log_path");
  return job;
}

JobSpec job_spec_from(const json::object& body) {
  JobSpec spec;
  spec.name = told_text(body, "name");
  if (!is_job_name(spec.name)) {
    throw Error(Code::bad_request, fmt::format("'{}' is no job name", spec.name),
                "use up to 63 of a-z, 0-9, '.', '_' and '-', a letter or digit first");
  }
  spec.uid = told_text(body, "uid");
  spec.argv = strings_of(body, "argv");
  outside::check(spec.argv.size() <= outside::kArgumentsMax &&
                     std::ranges::all_of(spec.argv, outside::is_argument),
                 "argv", "list of arguments that a program can be given");
  if (spec.argv.empty() || spec.argv[0].empty()) {
    throw Error(Code::bad_request, "there is no program to run",
                "cardswap run --name NAME -- PROGRAM ARGS...");
  }
  spec.cwd = outside::path_or_none("cwd", told_text(body, "cwd"));
  spec.env = told_env(body);
  spec.device = outside::word_or_none("device", told_text(body, "device"));
  if (spec.device.empty()) spec.device = "cpu:0";
  spec.user = outside::word_or_none("user", told_text(body, "user"));
  if (auto arrive = told_text(body, "arrive"); !arrive.empty()) spec.arrive = std::move(arrive);
  if (spec.arrive != "standby" && spec.arrive != "criu") {
    throw Error(Code::bad_request, fmt::format("'{}' is no way to arrive", spec.arrive),
                "use standby or criu");
  }
  spec.restart = told_text(body, "restart");
  if (spec.restart.empty()) spec.restart = "never";
  if (spec.restart != "never" && spec.restart != "on-failure") {
    throw Error(Code::bad_request, fmt::format("'{}' is no restart rule", spec.restart),
                "use never or on-failure");
  }
  return spec;
}

JobSpec spec_of(const Job& job) {
  return {job.name,   job.uid,     job.argv, job.cwd,   job.env,
          job.device, job.restart, job.user, job.arrive};
}

json::object to_json(const JobSpec& spec) {
  return {{"name", spec.name},           {"uid", spec.uid},
          {"argv", to_array(spec.argv)}, {"cwd", spec.cwd},
          {"env", to_object(spec.env)},  {"restart", spec.restart},
          {"user", spec.user},           {"arrive", spec.arrive}};
}

}  // namespace cardswap
