#include "agent/handover/reservations.h"

#include <fmt/format.h>
#include <signal.h>

#include <boost/json.hpp>
#include <fstream>

#include "agent/handover/migration.h"
#include "agent/http/client.h"
#include "agent/units.h"
#include "agent/utf8.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kSourceSilenceMax{10};

/// The end of a log, for an error's text: what the program said last.
std::string last_lines(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const auto size = static_cast<std::int64_t>(file.tellg());
  file.seekg(std::max<std::int64_t>(0, size - 400));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (auto& c : text) c = c == '\n' ? '|' : c;
  return as_utf8(std::move(text));
}

std::string text_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

json::object to_json(const Reservation& r) {
  return {{"migration", r.migration},
          {"version", r.version},
          {"state", r.state},
          {"data_host", r.data_host},
          {"data_port", r.data_port},
          {"data_token", r.data_token},
          {"root", r.root},
          {"epoch", r.epoch},
          {"step", r.step},
          {"downtime_ms", r.downtime_ms},
          {"clock_error_ms", r.clock_error_ms},
          {"error", r.error ? http::to_json(*r.error) : json::value(nullptr)}};
}

Admission admit(const AdmissionRequest& request) {
  Admission result;
  const Jobs::Device* found = nullptr;
  std::vector<std::string> names;
  for (const auto& device : request.devices) {
    names.push_back(device.name);
    if (device.name == request.device) found = &device;
  }
  if (found == nullptr) {
    result.blocked_reasons.push_back(fmt::format("no device {} on {}; it has {}", request.device,
                                                 request.host, fmt::join(names, ", ")));
  } else if (found->free_bytes < request.state_bytes) {
    result.no_memory = true;
    result.blocked_reasons.push_back(fmt::format("{} free on {}, {} needed for job {}",
                                                 format_size(found->free_bytes), request.device,
                                                 format_size(request.state_bytes), request.job));
  }
  if (request.name_is_taken) {
    result.blocked_reasons.push_back(
        fmt::format("another job named {} runs on {} already", request.job, request.host));
  }
  return result;
}

Reservations::Reservations(asio::io_context& context, TaskGroup& tasks, const Config& config,
                           Journal& journal, Jobs& jobs, RuntimeHub& hub)
    : context_(context),
      tasks_(tasks),
      config_(config),
      journal_(journal),
      jobs_(jobs),
      hub_(hub),
      changed_(context) {}

void Reservations::recover() {
  for (const auto& record : journal_.all(Journal::Kind::reservation)) {
    auto& r = reservations_.emplace_back();
    r.migration = text_at(record, "migration");
    r.state = text_at(record, "state");
    r.instance = text_at(record, "instance");
    r.from = text_at(record, "from");
    r.from_api = text_at(record, "from_api");
    r.data_token = text_at(record, "data_token");
    r.root = text_at(record, "root");
    r.version = record.at("version").to_number<std::uint64_t>() + 1;
    r.epoch = record.at("epoch").to_number<std::uint64_t>();
    r.step = record.at("step").to_number<std::uint64_t>();
    r.downtime_ms = record.at("downtime_ms").to_number<double>();
    r.clock_error_ms = record.at("clock_error_ms").to_number<double>();
    if (record.at("error").is_object()) r.error = http::error_from_json(record.at("error"));
    r.heard_at = Clock::now();
    if (!r.granted() && r.state != "failed") {
      r.state = "failed";
      r.error =
          Error(Code::target_lost, "the target's agent was restarted", "start the migration again");
    }
  }
}

bool Reservations::keeps(const Job& standby) const {
  for (const auto& r : reservations_) {
    if (r.instance == standby.instance) return r.granted();
  }
  return false;
}

ApiAnswer Reservations::reserve(const ApiRequest& request) {
  const auto id = request.text("migration");
  const auto* job = request.body.if_contains("job");
  if (job == nullptr || !job->is_object())
    throw Error(Code::bad_request, "'job' must be an object");
  auto spec = job_spec_from(job->get_object());
  spec.device = request.text("device");
  AdmissionRequest asked;
  asked.job = spec.name;
  asked.device = spec.device;
  asked.state_bytes = static_cast<std::uint64_t>(request.number_or("state_bytes", 0));
  asked.devices = jobs_.devices();
  asked.host = config_.host_name;
  const auto* same_name = jobs_.find(spec.name);
  asked.name_is_taken = same_name != nullptr && same_name->live() && same_name->uid != spec.uid;
  const auto admission = admit(asked);
  if (!admission.blocked_reasons.empty() || request.flag_or("dry_run", false)) {
    json::array reasons;
    for (const auto& reason : admission.blocked_reasons) reasons.emplace_back(reason);
    return {200, json::object{{"accepted", reasons.empty()},
                              {"code", admission.no_memory ? "no_memory" : "refused"},
                              {"blocked_reasons", reasons}}};
  }
  for (const auto& r : reservations_) {
    if (r.migration == id) throw Error(Code::conflict, "this migration has a reservation already");
  }
  Reservation made;
  made.migration = id;
  made.from = request.text_or("from", "");
  made.from_api = request.text_or("from_api", "");
  made.epoch = static_cast<std::uint64_t>(request.number_or("epoch", 0));
  made.data_token = random_hex(16);
  made.heard_at = Clock::now();
  save(made);
  auto& r = reservations_.emplace_back(std::move(made));
  spdlog::info("job {} migration {} reserved {} on {}", spec.name, id,
               format_size(asked.state_bytes), spec.device);
  try {
    auto& standby = jobs_.start_standby(spec, id, r.epoch, asked.state_bytes, r.from);
    r.instance = standby.instance;
    jobs_.set_state(standby, "standby");
    set_state(r, "starting");
    tasks_.spawn("watch the source of " + id, watch_source(id));
  } catch (const Error& error) {
    fail(r,
         error.within(fmt::format("start the standby of {} on {}", spec.name, config_.host_name)));
    return {200, json::object{{"accepted", false},
                              {"code", "refused"},
                              {"blocked_reasons", json::array{r.error->what()}}}};
  }
  return {200, json::object{{"accepted", true}, {"reservation", to_json(r)}}};
}

Reservation& Reservations::at(const std::string& migration) {
  for (auto& r : reservations_) {
    if (r.migration == migration) return r;
  }
  throw Error(Code::not_found,
              fmt::format("{} holds nothing for migration {}", config_.host_name, migration));
}

Reservation* Reservations::of(const Job& job) {
  for (auto& r : reservations_) {
    if (r.instance == job.instance) return &r;
  }
  return nullptr;
}

void Reservations::heard(const std::string& migration) { at(migration).heard_at = Clock::now(); }

channel::Welcome Reservations::welcome(const Job& standby) {
  channel::Welcome welcome;
  welcome.migration = standby.migration;
  if (const auto* r = of(standby)) {
    welcome.epoch = r->granted() ? r->epoch : 0;
    welcome.granted = r->granted();
    welcome.data_token = r->data_token;
  }
  welcome.data_host = config_.data_host;
  welcome.transports = config_.transports;
  return welcome;
}

void Reservations::on_message(Job& job, const channel::Message& message) {
  auto* r = of(job);
  if (r == nullptr) return;
  if (const auto* parked = std::get_if<channel::Parked>(&message)) {
    r->data_host = parked->host;
    r->data_port = parked->port;
    set_state(*r, "parked");
  } else if (const auto* verified = std::get_if<channel::Verified>(&message)) {
    r->root = to_string(verified->root);
    r->step = verified->step;
    if (!r->granted()) set_state(*r, "verified");
  } else if (const auto* failed = std::get_if<channel::Failed>(&message)) {
    if (!r->granted() || failed->code == Code::digest_mismatch) {
      fail(*r, Error(failed->code, failed->failure, failed->hint));
    }
  } else if (const auto* resumed = std::get_if<channel::Resumed>(&message)) {
    r->downtime_ms = resumed->downtime_ms;
    r->clock_error_ms = resumed->clock_error_ms;
    if (r->state == "granted") set_state(*r, "resumed");
  } else if (std::holds_alternative<channel::FirstStep>(message)) {
    if (r->granted()) set_state(*r, "completed");
  } else if (const auto* ended = std::get_if<channel::Ended>(&message)) {
    // A job whose last step was the one it moved at has no further step to take.
    if (r->granted() && ended->step >= r->step) set_state(*r, "completed");
  }
}

void Reservations::on_exit(Job& job) {
  auto* r = of(job);
  if (r == nullptr || r->state == "completed" || r->state == "failed") return;
  const auto said = last_lines(job.log_path);
  fail(*r, Error(Code::target_lost,
                 fmt::format("the standby of job {} on {} ended{}{}", job.name, config_.host_name,
                             said.empty() ? "" : "; its last words: ", said),
                 "the program must reach its first step there: check files, arguments and memory"));
}

void Reservations::fail(Reservation& r, Error error) {
  if (r.state == "failed") return;
  spdlog::warn("migration {}: {}", r.migration, error.what());
  r.error = std::move(error);
  set_state(r, "failed");
  if (auto* job = jobs_.by_instance(r.instance); job != nullptr && job->live()) {
    signal_group(job->process, SIGKILL);
  }
}

void Reservations::set_state(Reservation& r, const std::string& state) {
  r.state = state;
  ++r.version;
  try {
    save(r);
  } catch (const Error& error) {
    // The grant is journalled by grant() itself, which lets this through; the rest can be redone.
    spdlog::error("migration {}: {}", r.migration, error.what());
  }
  spdlog::info("migration {} here: {}", r.migration, state);
  changed_.notify();
}

void Reservations::save(const Reservation& r) {
  auto record = to_json(r);
  record["instance"] = r.instance;
  record["from"] = r.from;
  record["from_api"] = r.from_api;
  journal_.put(Journal::Kind::reservation, r.migration, record);
}

asio::awaitable<ApiAnswer> Reservations::grant(std::string migration, std::uint64_t epoch,
                                               std::string root, std::uint64_t step) {
  auto& r = at(migration);
  r.heard_at = Clock::now();
  if (r.granted()) co_return ApiAnswer{200, to_json(r)};
  auto* job = jobs_.by_instance(r.instance);
  if (r.state != "verified" || job == nullptr) {
    throw Error(r.state == "failed" ? Code::not_found : Code::conflict,
                fmt::format("migration {} is {} here and cannot be granted", migration, r.state));
  }
  if (r.root != root || r.step != step || epoch < r.epoch) {
    throw Error(Code::digest_mismatch,
                fmt::format("the grant of migration {} is for another state", migration));
  }
  auto owned = r;
  owned.state = "granted";
  owned.epoch = epoch;
  ++owned.version;
  save(owned);  // this host owns the job from here on
  r = owned;
  jobs_.promote(*job, epoch);
  Digest digest;
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    digest.bytes[i] = static_cast<std::uint8_t>(std::stoi(root.substr(2 * i, 2), nullptr, 16));
  }
  hub_.send(*job, channel::Grant{migration, epoch, digest});
  spdlog::info("job {} is granted to this host under epoch {}", job->name, epoch);
  changed_.notify();
  co_return ApiAnswer{200, to_json(r)};
}

asio::awaitable<ApiAnswer> Reservations::drop(std::string migration) {
  auto& r = at(migration);
  if (r.granted()) {
    throw Error(Code::conflict, fmt::format("migration {} was granted to {}: the job is here",
                                            migration, config_.host_name));
  }
  fail(r, Error(Code::cancelled, "the source's agent gave the migration up"));
  co_await jobs_.stop(r.instance, milliseconds(0));
  co_return ApiAnswer{200, json::object{}};
}

/// A source that is silent before the state was verified is given up; after it, it is asked for its
/// decision for as long as it takes.
asio::awaitable<void> Reservations::watch_source(std::string migration) {
  auto& r = at(migration);
  while (!r.granted() && r.state != "failed") {
    co_await pause_for(milliseconds(500));
    if (Clock::now() - r.heard_at < kSourceSilenceMax) continue;
    if (r.state == "verified") {
      if (!co_await learn_decision(migration)) continue;
    }
    if (r.granted() || r.state == "failed") co_return;
    fail(r, Error(Code::source_lost, fmt::format("the source's agent was silent for {} s",
                                                 kSourceSilenceMax.count())));
  }
}

/// True when the answer is that the migration was given up.
asio::awaitable<bool> Reservations::learn_decision(std::string migration) {
  auto& r = at(migration);
  std::string decision;
  std::uint64_t epoch = r.epoch;
  try {
    const auto colon = r.from_api.rfind(':');
    if (colon == std::string::npos) co_return false;
    http::Request request;
    request.target = "/v1/peer/decisions/" + migration;
    request.timeout = seconds(2);
    const auto answer = co_await http::call(
        http::Endpoint::tcp(r.from_api.substr(0, colon),
                            static_cast<std::uint16_t>(std::stoi(r.from_api.substr(colon + 1)))),
        std::move(request));
    if (answer.is_object()) decision = text_at(answer.get_object(), "decision");
  } catch (const Error&) {
    spdlog::warn("migration {} is in doubt: the source's agent at {} does not answer", migration,
                 r.from_api);
    co_return false;
  }
  r.heard_at = Clock::now();
  if (decision == "committed") co_await grant(migration, epoch, r.root, r.step);
  co_return decision == "aborted";
}

}  // namespace cardswap
