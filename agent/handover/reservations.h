#pragma once

#include <list>
#include <optional>
#include <string>

#include "agent/api/router.h"
#include "agent/config.h"
#include "agent/jobs/jobs.h"
#include "agent/runtime_hub/hub.h"
#include "agent/task_group.h"

namespace cardswap {

/// A place that this host holds for a job on its way in.
struct Reservation {
  std::string migration;
  std::uint64_t version = 1;
  std::string state =
      "reserved";  ///< reserved, starting, parked, verified, granted, resumed, completed, failed
  std::string instance;  ///< of the standby
  std::string from;
  std::string from_api;  ///< host:port of the source's agent, for a target in doubt
  std::string data_host;
  std::uint16_t data_port = 0;
  std::string data_token;
  std::string root;
  std::uint64_t epoch = 0;
  std::uint64_t step = 0;
  double downtime_ms = 0;
  double clock_error_ms = 0;
  std::optional<Error> error;
  std::chrono::steady_clock::time_point heard_at;  ///< of the source's agent

  [[nodiscard]] bool granted() const {
    return state == "granted" || state == "resumed" || state == "completed";
  }
};

[[nodiscard]] boost::json::object to_json(const Reservation& reservation);

/// What a host has and what is asked of it.
struct AdmissionRequest {
  std::string job;
  std::string device;
  std::uint64_t state_bytes = 0;
  bool name_is_taken = false;  ///< by a live job that is not the one which wants to come
  std::vector<Jobs::Device> devices;
  std::string host;
};
struct Admission {
  bool no_memory = false;
  std::vector<std::string> blocked_reasons;
};
/// Pure: may this job come here?
[[nodiscard]] Admission admit(const AdmissionRequest& request);

/// The jobs that arrive here: reserves, starts standbys, takes grants, cleans up.
class Reservations {
 public:
  Reservations(asio::io_context& context, TaskGroup& tasks, const Config& config, Journal& journal,
               Jobs& jobs, RuntimeHub& hub);

  void recover();
  [[nodiscard]] bool keeps(const Job& standby) const;

  [[nodiscard]] ApiAnswer reserve(const ApiRequest& request);
  [[nodiscard]] Reservation& at(const std::string& migration);
  /// Notes that the source's agent lives.
  void heard(const std::string& migration);
  asio::awaitable<ApiAnswer> grant(std::string migration, std::uint64_t epoch, std::string root,
                                   std::uint64_t step);
  asio::awaitable<ApiAnswer> drop(std::string migration);
  Signal& changed() { return changed_; }

  [[nodiscard]] channel::Welcome welcome(const Job& standby);
  void on_message(Job& job, const channel::Message& message);
  void on_exit(Job& job);

 private:
  asio::awaitable<void> watch_source(std::string migration);
  asio::awaitable<bool> learn_decision(std::string migration);
  void fail(Reservation& r, Error error);
  void set_state(Reservation& r, const std::string& state);
  void save(const Reservation& r);
  [[nodiscard]] Reservation* of(const Job& job);

  asio::io_context& context_;
  TaskGroup& tasks_;
  const Config& config_;
  Journal& journal_;
  Jobs& jobs_;
  RuntimeHub& hub_;
  Signal changed_;
  std::list<Reservation> reservations_;  // addresses are stable; none is ever removed
};

}  // namespace cardswap
