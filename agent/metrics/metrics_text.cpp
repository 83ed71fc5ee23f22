#include <algorithm>
#include <array>
#include <set>

#include "agent/base/exposition.h"
#include "agent/devices/device_facts.h"
#include "agent/metrics/metrics_routes.h"
#include "agent/metrics/process_usage.h"
#include "migrator/base/named.h"

namespace cardswap {
namespace {

using Type = Exposition::Type;
using handover::SourceState;

double seconds(double ms) { return ms / 1000; }
double count(std::uint64_t number) { return static_cast<double>(number); }

void agent_metrics(Exposition& out, const MetricContext& from, bool ready) {
  out.one("cardswap_build_info", Type::gauge, "The agent's version; always 1.", 1,
          {{"version", CARDSWAP_VERSION}, {"host", from.config.host_name}});
  out.one("cardswap_ready", Type::gauge, "1 when /readyz answers 200.", ready ? 1 : 0);
  out.family("cardswap_certificate_end_timestamp_seconds", Type::gauge,
             "When what this agent's connections need ends.");
  for (const auto& expiry : from.server.expiries()) {
    out.sample(static_cast<double>(expiry.at_s), {{"what", expiry.what}});
  }
  out.one("cardswap_runtime_connections", Type::gauge, "Runtimes of jobs that are attached.",
          count(from.hub.attached_count()));
  out.family("cardswap_journal_write_duration_seconds", Type::histogram,
             "Time of a write to the journal, until it is on the disk.");
  out.sample(from.journal.write_seconds());
  out.one("cardswap_journal_write_failures_total", Type::counter,
          "Writes to the journal that did not reach the disk.",
          count(from.journal.write_failures()));
}

void job_metrics(Exposition& out, const MetricContext& from) {
  std::map<std::string_view, double> by_state{{state_word({}, EffectiveState::Kind::frozen), 0},
                                              {state_word({}, EffectiveState::Kind::in_doubt), 0}};
  for (std::size_t state = 0; state < kCountOf<InstanceState>; ++state) {
    by_state[to_string(static_cast<InstanceState>(state))] = 0;
  }
  std::uint64_t superseded = 0;
  std::vector<const Instance*> live;
  std::set<std::string_view> names;
  for (const auto* instance : from.jobs.table().instances()) {
    const auto& job = instance->job();
    if (job.superseded) continue;
    ++by_state[state_word(instance->state(), from.jobs.effective_state_of(*instance).kind)];
    if (instance->is_live() && job.newer_epoch != 0) ++superseded;
    // A standby has the same name as the job that it will replace.
    if (instance->is_live() && !job.standby && names.insert(job.name()).second) {
      live.push_back(instance);
    }
  }
  out.family("cardswap_jobs", Type::gauge, "Jobs on this host by state.");
  for (const auto& [state, jobs] : by_state) out.sample(jobs, {{"state", std::string(state)}});
  out.family("cardswap_jobs_superseded", Type::gauge,
             "Copies of jobs that stand because a higher epoch steps, here and at targets of jobs "
             "that were taken back by force; those elsewhere may still step.");
  out.sample(count(superseded), {{"where", "here"}});
  const auto& migrations = from.migrations.all();
  out.sample(static_cast<double>(std::ranges::count_if(migrations, &Migration::has_pending_notice)),
             {{"where", "elsewhere"}});

  const auto each = [&](std::string_view name, Type type, std::string_view help, auto value) {
    out.family(name, type, help);
    for (const auto* instance : live) {
      out.sample(value(*instance), {{"job", instance->name()}, {"device", instance->device()}});
    }
  };
  each("cardswap_job_step", Type::gauge, "Optimizer step that a live job has finished.",
       [](const Instance& instance) { return count(instance.record().step); });
  each("cardswap_job_step_duration_seconds", Type::gauge, "Median time of a live job's step.",
       [](const Instance& instance) { return seconds(instance.median_step_ms); });
  each("cardswap_job_state_bytes", Type::gauge, "Tracked state of a live job.",
       [](const Instance& instance) { return count(instance.record().state_bytes); });
  each("cardswap_job_restarts_total", Type::counter, "Times that a live job was started again.",
       [](const Instance& instance) { return count(instance.job().restarts); });
}

void device_metrics(Exposition& out, const MetricContext& from) {
  const auto devices = from.jobs.devices().all();
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    out.family(name, Type::gauge, help);
    for (const auto& device : devices) {
      out.sample(count(value(device)),
                 {{"device", device.name},
                  {"uuid", device.kind == "cpu" ? device_uuid(device.name) : device.uuid}});
    }
  };
  each("cardswap_device_memory_bytes", "Memory of a device.",
       [](const DeviceUsage& device) { return device.total_bytes; });
  each("cardswap_device_memory_free_bytes", "Memory that no job holds or has reserved.",
       [](const DeviceUsage& device) { return device.free_bytes; });
  each("cardswap_device_memory_reserved_bytes", "Memory that jobs hold, or have reserved.",
       [](const DeviceUsage& device) { return device.reserved_bytes; });
}

/// Migrations away from this host that the journal has, also those of former agents.
void finished_migrations(Exposition& out, const MetricContext& from) {
  auto finished = from.forgotten;
  for (const auto& m : from.migrations.all()) finished.add(m);
  if (from.moves_of_ranks) from.moves_of_ranks(finished);

  out.family("cardswap_migrations_total", Type::counter,
             "Migrations away from this host that have ended.");
  for (const auto& [key, number] : finished.outcomes) {
    out.sample(number, {{"outcome", key.first}, {"strategy", key.second}});
  }
  out.family("cardswap_migration_errors_total", Type::counter,
             "Migrations that did not move their job, by the error's code.");
  for (const auto& [code, number] : finished.errors) out.sample(number, {{"code", code}});
  out.family("cardswap_migration_downtime_seconds", Type::histogram,
             "Time from the last step on the source to the job's resumption on the target.");
  for (const auto& [strategy, of] : finished.times)
    out.sample(of.downtime, {{"strategy", strategy}});
  const auto by_outcome = [&](std::string_view name, std::string_view help, auto histograms) {
    out.family(name, Type::histogram, help);
    for (const auto& [strategy, of] : finished.times) {
      for (const auto& [outcome, histogram] : of.*histograms) {
        out.sample(histogram, {{"outcome", outcome}, {"strategy", strategy}});
      }
    }
  };
  using Times = FinishedMigrations::Times;
  by_outcome("cardswap_migration_stall_seconds",
             "The longest that one step was late because of a migration.", &Times::stall);
  by_outcome("cardswap_migration_lost_seconds",
             "All lateness of steps from the request to ten steps after the move.", &Times::lost);
  out.family("cardswap_migration_duration_seconds", Type::histogram,
             "Time from the request to the first step on the target.");
  for (const auto& [strategy, of] : finished.times) out.sample(of.total, {{"strategy", strategy}});
  out.family("cardswap_migration_downtime_predicted_over_measured_ratio", Type::histogram,
             "The downtime predicted at the freeze, divided by the one measured.");
  out.sample(finished.predicted);
  out.one("cardswap_transferred_bytes_total", Type::counter,
          "State sent by migrations away from this host, repeats included.", finished.transferred);
}

void running_migrations(Exposition& out, const MetricContext& from) {
  std::vector<const Migration*> running;
  for (const auto& m : from.migrations.all()) {
    if (!handover::is_over(m.state())) running.push_back(&m);
  }
  out.one("cardswap_migrations_running", Type::gauge, "Migrations away from this host under way.",
          count(running.size()));
  out.family("cardswap_migrations_in_doubt", Type::gauge,
             "Migrations whose other side does not tell whether it has the job.");
  const auto doubts = std::ranges::count(running, SourceState::in_doubt, &Migration::state);
  const auto rank_doubts = from.rank_moves.doubts();
  out.sample(static_cast<double>(doubts) + count(rank_doubts.gangs), {{"role", "source"}});
  out.sample(
      static_cast<double>(std::ranges::count_if(
          from.reservations.all(), [](const Reservation& r) { return r.record().in_doubt; })),
      {{"role", "target"}});
  out.sample(count(rank_doubts.ranks), {{"role", "rank"}});
  out.family("cardswap_migration_info", Type::gauge,
             "The state and phase of a running migration; always 1.");
  for (const auto* m : running) {
    out.sample(1, {{"job", m->spec().job},
                   {"strategy", strategy_of(*m)},
                   {"state", std::string(to_string(m->state()))},
                   {"phase", std::string(to_string(m->only().record().stats.phase))}});
  }
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    out.family(name, Type::gauge, help);
    for (const auto* m : running) out.sample(value(*m), {{"job", m->spec().job}});
  };
  each("cardswap_migration_transferred_bytes", "State sent so far, repeats included.",
       [](const Migration& m) { return count(m.only().record().stats.transferred); });
  each("cardswap_migration_remaining_bytes", "State of this round that is still to send.",
       [](const Migration& m) { return count(m.only().record().stats.remaining); });
  each("cardswap_migration_state_bytes", "Tracked state of the job under way.",
       [](const Migration& m) { return count(m.only().record().stats.total); });
  each("cardswap_migration_rate_bytes_per_second", "Rate on the link.",
       [](const Migration& m) { return count(m.only().record().stats.rate); });
  each("cardswap_migration_dirty_rate_bytes_per_second", "Rate at which training changes state.",
       [](const Migration& m) { return count(m.only().record().stats.dirty_rate); });
  each("cardswap_migration_log_lag_bytes", "Gradients that the target has not replayed yet.",
       [](const Migration& m) { return count(m.only().record().stats.log_lag_bytes); });
  each("cardswap_migration_expected_downtime_seconds", "Downtime if the job froze now.",
       [](const Migration& m) { return seconds(m.only().record().stats.expected_downtime_ms); });
  each("cardswap_migration_throttle_ratio", "Share of its time that the trainer is kept waiting.",
       [](const Migration& m) { return m.only().record().stats.throttle_pct / 100.0; });
}

void arriving_jobs(Exposition& out, const MetricContext& from) {
  std::map<std::string, double> by_state;
  for (const auto* state : {"reserved", "starting", "parked", "verified", "granted", "resumed"}) {
    by_state[state] = 0;
  }
  for (const auto& r : from.reservations.all()) {
    const auto name = std::string(to_string(r.state()));
    if (const auto at = by_state.find(name); at != by_state.end()) ++at->second;
  }
  out.family("cardswap_reservations", Type::gauge, "Places held for jobs on their way in.");
  for (const auto& [state, number] : by_state) out.sample(number, {{"state", state}});
}

void request_metrics(Exposition& out, const RequestStats& requests) {
  out.family("cardswap_api_requests_total", Type::counter, "Requests answered.");
  for (const auto& [key, number] : requests.answers) {
    out.sample(count(number), {{"route", key.first}, {"code", std::to_string(key.second)}});
  }
  out.family("cardswap_api_request_duration_seconds", Type::histogram,
             "Time to answer a request; some routes wait for news when asked to.");
  for (const auto& [route, took] : requests.seconds) out.sample(took, {{"route", route}});
}

/// These have the names that every Prometheus client uses.
void process_metrics(Exposition& out) {
  const auto usage = process_usage();
  out.one("process_cpu_seconds_total", Type::counter, "Processor time of the agent.",
          usage.cpu_seconds);
  out.one("process_resident_memory_bytes", Type::gauge, "Memory of the agent that is in RAM.",
          count(usage.resident_bytes));
  out.one("process_virtual_memory_bytes", Type::gauge, "Address space of the agent.",
          count(usage.virtual_bytes));
  out.one("process_open_fds", Type::gauge, "Open file descriptors of the agent.",
          count(usage.open_fds));
  out.one("process_max_fds", Type::gauge, "File descriptors that the agent may open.",
          count(usage.max_fds));
  out.one("process_start_time_seconds", Type::gauge, "When the agent started, since 1970.",
          usage.start_time_seconds);
}

}  // namespace

std::string metrics_text(const MetricContext& sources, const RequestStats& requests, bool ready) {
  Exposition out;
  agent_metrics(out, sources, ready);
  job_metrics(out, sources);
  device_metrics(out, sources);
  finished_migrations(out, sources);
  running_migrations(out, sources);
  arriving_jobs(out, sources);
  if (sources.more) sources.more(out);
  request_metrics(out, requests);
  process_metrics(out);
  return out.text();
}

}  // namespace cardswap
