// A job as the API has it: shown, and read from a request to start one.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/base/state_digest_json.h"
#include "agent/base/validate.h"
#include "agent/jobs/job.h"
#include "agent/jobs/obstacles.h"
#include "agent/jobs/text_json.h"
#include "migrator/base/error.h"
#include "migrator/base/named.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace json = boost::json;

namespace {

// Fields of a request to start a job: missing and null are empty, another type is refused.

std::string given_text(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  if (value == nullptr || value->is_null()) return {};
  validate::check(value->is_string(), key, "text");
  return std::string(value->get_string());
}

std::map<std::string, std::string> given_env(const json::object& from) {
  auto env = text_map_at(from, "env");
  validate::check(env.size() <= validate::kArgumentsMax, "env",
                  "environment: it has too many variables");
  for (const auto& [name, value] : env) {
    validate::check(validate::is_variable(name) && validate::is_argument(value), "env",
                    "environment: a name has a '=' or a NUL, or a value a NUL");
  }
  return env;
}

std::uint64_t step_or_none(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  if (value == nullptr || value->is_null()) return 0;
  validate::check(value->is_number(), key, "number of a step");
  return validate::count(key, value->to_number<double>(), validate::kStepMax);
}

json::array to_array(const std::vector<pid_t>& numbers) {
  json::array result;
  for (const auto number : numbers) result.emplace_back(number);
  return result;
}

/// The ranks of a job of many whose processes belong to the instance.
json::array ranks_json(const Instance& instance) {
  json::array all;
  for (const auto& [rank, one] : instance.ranks) {
    const bool is_here = one.moved_to.empty();
    all.push_back(json::object{{"rank", rank},
                               {"pid", instance.is_live() && is_here ? json::value(one.process.pid)
                                                                     : json::value(nullptr)},
                               {"attached", one.attached},
                               {"frozen", one.frozen},
                               {"step", one.step},
                               {"median_step_ms", one.median_step_ms},
                               {"state_bytes", one.state_bytes},
                               {"framework", text_or_null(one.framework)},
                               {"cannot_move", obstacles_json(one.obstacles)},
                               {"moved_to", text_or_null(one.moved_to)}});
  }
  return all;
}

/// With what the program says of its gradient log.
json::value protection_json(const Instance& instance) {
  const auto& job = instance.job();
  if (!job.spec.protection) return nullptr;
  auto shown = to_json(*job.spec.protection, job.protection_notes);
  shown["logged"] = nullptr;
  if (!instance.logged || job.spec.protection->log == channel::LogMode::off) return shown;
  const auto& logged = *instance.logged;
  const auto step = [](std::uint64_t at) {
    return at == 0 ? json::value(nullptr) : json::value(at);
  };
  shown["logged"] = json::object{{"from", step(logged.from)},
                                 {"to", step(logged.to)},
                                 {"behind", logged.behind},
                                 {"dropped", logged.dropped},
                                 {"dropped_step", step(logged.dropped_step)},
                                 {"unproven", logged.unproven},
                                 {"kept_bytes", logged.kept_bytes},
                                 {"waited_ms", logged.waited_ms},
                                 {"failure", text_or_null(logged.failure)}};
  return shown;
}

}  // namespace

json::object to_json(const Instance& instance) {
  const auto& job = instance.job();
  const auto known = [](auto number) {
    return number == 0 ? json::value(nullptr) : json::value(number);
  };
  json::value held = nullptr;
  if (instance.held && instance.is_live()) {
    const auto& at = *instance.held;
    json::object told{{"step", at.step}, {"failure", text_or_null(as_utf8(at.failure))}};
    put_state_digest(
        told, at.failure.empty() ? json::value(to_string(at.state_digest)) : json::value(nullptr));
    held = std::move(told);
  }
  return {{"name", job.name()},
          {"uid", job.uid()},
          {"state", to_string(instance.state())},
          {"device", instance.device()},
          {"sends_snapshot", instance.device() == kFromStore},
          {"user", text_or_null(job.spec.user)},
          {"arrive", to_string(job.spec.arrive)},
          {"argv", json_of(job.spec.argv)},
          {"cwd", job.spec.cwd},
          {"pid", instance.is_live() ? known(instance.program().pid) : json::value(nullptr)},
          {"still_alive", to_array(still_alive(instance))},
          {"epoch", job.epoch},
          {"newer_epoch", known(job.newer_epoch)},
          {"step", instance.record().step},
          {"median_step_ms", instance.median_step_ms},
          {"state_bytes", instance.record().state_bytes},
          {"replayed_bytes", instance.record().replayed_bytes},
          {"update_bytes", instance.record().update_bytes},
          {"relocatable_bytes", instance.record().relocatable_bytes},
          {"homed_bytes", instance.record().relocatable_bytes},  // its older name
          {"attached", instance.attached},
          {"framework", text_or_null(instance.framework)},
          {"cannot_move", obstacles_json(instance.obstacles)},
          {"exit_code", value_or_null(instance.record().exit_code)},
          {"exit_signal", value_or_null(instance.record().exit_signal)},
          {"exit_text", text_or_null(instance.record().exit_text)},
          {"restarts", job.restarts},
          {"started_at_ms", instance.record().started_at_ms},
          {"ended_at_ms", known(instance.record().ended_at_ms)},
          {"migration", text_or_null(job.migration)},
          {"moved_to", text_or_null(instance.record().moved_to)},
          {"came_from", text_or_null(instance.record().came_from)},
          {"branch", text_or_null(job.spec.branch)},
          {"restored_from", text_or_null(job.spec.restored_from)},
          {"hold_at", known(job.spec.hold_at)},
          {"held", std::move(held)},
          {"again_until", known(job.spec.again_until)},
          {"protection", protection_json(instance)},
          {"recovery", to_json(job.recovery)},
          {"world_size", job.world_size},
          {"ranks", ranks_json(instance)},
          {"log_path", instance.record().log_path}};
}

JobSpec job_spec_from(const json::object& body) {
  JobSpec spec;
  spec.name = given_text(body, "name");
  if (!validate::is_job_name(spec.name)) {
    throw Error(Code::bad_request, fmt::format("'{}' is no job name", spec.name),
                "use up to 63 of a-z, 0-9, '.', '_' and '-', a letter or digit first");
  }
  spec.uid = given_text(body, "uid");
  spec.argv = texts_at(body, "argv");
  validate::check(spec.argv.size() <= validate::kArgumentsMax &&
                      std::ranges::all_of(spec.argv, validate::is_argument),
                  "argv", "list of arguments that a program can be given");
  if (spec.argv.empty() || spec.argv[0].empty()) {
    throw Error(Code::bad_request, "there is no program to run",
                "cardswap run --name NAME -- PROGRAM ARGS...");
  }
  spec.cwd = validate::path_or_none("cwd", given_text(body, "cwd"));
  spec.env = given_env(body);
  spec.user = validate::word_or_none("user", given_text(body, "user"));
  if (const auto given = given_text(body, "arrive"); !given.empty()) {
    const auto arrive = named<ArrivalMode>(given);
    if (!arrive || *arrive == ArrivalMode::automatic) {
      throw Error(Code::bad_request, fmt::format("'{}' is no way to arrive", given),
                  "use standby or criu");
    }
    spec.arrive = *arrive;
  }
  if (const auto given = given_text(body, "restart"); !given.empty()) {
    const auto rule = named<RestartRule>(given);
    if (!rule) {
      throw Error(Code::bad_request, fmt::format("'{}' is no restart rule", given),
                  "use " + names_of<RestartRule>());
    }
    spec.restart = *rule;
  }
  spec.protection = protection_in(body);
  spec.branch = given_text(body, "branch");
  validate::check(spec.branch.empty() || validate::is_job_name(spec.branch), "branch",
                  "name of a branch");
  spec.restored_from = validate::word_or_none("restored_from", given_text(body, "restored_from"));
  spec.fallback_store = given_text(body, "resume_store");
  validate::check(spec.fallback_store.empty() || validate::is_store(spec.fallback_store),
                  "resume_store", "address of a store: write it like file:/var/lib/cardswap/store");
  spec.fallback_first = validate::count("resume_first", number_at(body, "resume_first"));
  spec.first_snapshot = validate::count("first_snapshot", number_at(body, "first_snapshot"));
  spec.hold_at = step_or_none(body, "hold_at");
  spec.again_until = step_or_none(body, "again_until");
  return spec;
}

std::string device_from(const json::object& body) {
  auto device = validate::word_or_none("device", given_text(body, "device"));
  return device.empty() ? "cpu:0" : device;
}

json::object to_json(const JobSpec& spec) {
  json::object shown{{"name", spec.name},          {"uid", spec.uid},
                     {"argv", json_of(spec.argv)}, {"cwd", spec.cwd},
                     {"env", json_of(spec.env)},   {"restart", to_string(spec.restart)},
                     {"user", spec.user},          {"arrive", to_string(spec.arrive)}};
  if (spec.protection) shown["protection"] = to_json(*spec.protection);
  if (!spec.branch.empty()) shown["branch"] = spec.branch;
  if (!spec.restored_from.empty()) shown["restored_from"] = spec.restored_from;
  if (!spec.fallback_store.empty()) shown["resume_store"] = spec.fallback_store;
  if (spec.fallback_first != 0) shown["resume_first"] = spec.fallback_first;
  if (spec.first_snapshot != 0) shown["first_snapshot"] = spec.first_snapshot;
  if (spec.hold_at != 0) shown["hold_at"] = spec.hold_at;
  if (spec.again_until != 0) shown["again_until"] = spec.again_until;
  return shown;
}

}  // namespace cardswap
