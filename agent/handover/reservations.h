#pragma once

#include <list>
#include <optional>
#include <string>

#include "agent/api/router.h"
#include "agent/config.h"
#include "agent/handover/target_side.h"
#include "agent/jobs/jobs.h"
#include "agent/runtime_hub/hub.h"
#include "agent/task_group.h"

namespace cardswap {

/// A place that this host holds for a job on its way in.
struct Reservation {
  std::string migration;
  std::uint64_t version = 1;
  handover::TargetSide side{{}};  ///< its state, epoch and content
  std::string instance;           ///< of the standby
  std::string from;
  std::string from_api;  ///< host:port of the source's agent, for a target in doubt
  std::string data_host;
  std::uint16_t data_port = 0;
  std::string data_token;
  double downtime_ms = 0;
  double clock_error_ms = 0;
  std::string forced;  ///< by an operator, to "source" or "target"; or empty
  std::optional<Error> error;
  // not journalled:
  bool in_doubt = false;  ///< verified, and the source's agent does not answer
  std::optional<JobSpec> spec;
  std::uint64_t state_bytes = 0;
  std::chrono::steady_clock::time_point heard_at;  ///< of the source's agent

  [[nodiscard]] bool granted() const { return handover::is_granted(side.state()); }
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

/// The jobs that arrive here. What follows from what is TargetSide's to say; this carries it out.
class Reservations {
 public:
  Reservations(asio::io_context& context, TaskGroup& tasks, const Config& config, Journal& journal,
               Jobs& jobs, RuntimeHub& hub);

  /// Reads what a former agent left; first, for keeps().
  void recover();
  /// Goes on from there, once the jobs are known.
  void take_up();
  [[nodiscard]] bool keeps(const Job& standby) const;

  [[nodiscard]] ApiAnswer reserve(const ApiRequest& request);
  [[nodiscard]] Reservation& at(const std::string& migration);
  /// Notes that the source's agent lives.
  void heard(const std::string& migration);
  asio::awaitable<ApiAnswer> grant(std::string migration, std::uint64_t epoch, std::string root,
                                   std::uint64_t step);
  asio::awaitable<ApiAnswer> drop(std::string migration);
  /// The operator's word, `to` "source" or "target"; logged and journalled. Throws Error{conflict}
  /// where it is too late for that.
  void force(const std::string& migration, const std::string& to);
  Signal& changed() { return changed_; }

  [[nodiscard]] channel::Welcome welcome(const Job& standby);
  void on_message(Job& job, const channel::Message& message);
  void on_exit(Job& job);

 private:
  asio::awaitable<void> watch_source(std::string migration);
  asio::awaitable<void> learn_decision(std::string migration);
  handover::Acts feed(Reservation& r, const auto& event);
  void fail(Reservation& r, handover::TargetEvent event, Error error);
  void carry_out(Reservation& r, const handover::TargetSide& next, const handover::Acts& acts);
  void start_standby(Reservation& r);
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
