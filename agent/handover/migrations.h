#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "agent/attach/hub.h"
#include "agent/base/agent_event.h"
#include "agent/base/config.h"
#include "agent/base/task_group.h"
#include "agent/criu/departure.h"
#include "agent/criu/examination.h"
#include "agent/criu/host.h"
#include "agent/handover/answers.h"
#include "agent/handover/migration.h"
#include "agent/handover/migration_request.h"
#include "agent/handover/operators_word.h"
#include "agent/handover/parts.h"
#include "agent/handover/reservation_request.h"
#include "agent/http/connection_pool.h"
#include "agent/jobs/jobs.h"
#include "migrator/core/planner.h"

namespace cardswap {

/// The migrations that this agent's jobs leave by: it coordinates them and owns their decision.
///
/// Each is one coroutine that tells handover::SourceSide what happened and carries out what
/// follows: a state is in the journal before what it stands for is done. What runtimes say is noted
/// by the on_* calls and acted on by the coroutine. Whatever a peer answers or throws, a migration
/// that was started ends: committed, or given up with its error, and its target told.
///
/// Those that are over are forgotten by count and age (retention.h), here and in the journal; not
/// while a task works on one, which holds its `in_use`. A caller that waits looks its one up again.
class Migrations {
 public:
  /// `forgetting` is told of one that is over before it is forgotten.
  Migrations(const HandoverParts& parts, std::function<void(const Migration&)> forgetting);

  /// Takes up what a former agent left: before the commit it is aborted, after it finished.
  void resume_after_restart();

  /// The request for start() or plan(), with `to` as an address: a host's own name is looked up.
  /// Waits a moment for a runtime that has to find an agent again that was restarted.
  asio::awaitable<MigrationRequest> prepared(MigrationRequest wanted);
  /// Checks what can be checked at once, records it, and starts it. Throws Error.
  Migration& start(MigrationRequest wanted);
  /// Preflight and prediction only. What start() throws, it throws.
  asio::awaitable<boost::json::object> plan(MigrationRequest wanted);
  /// Throws Error{conflict} once committed.
  void cancel(const std::string& id);
  void proceed(const std::string& id);
  /// The operator's word, once committed; logged, journalled and told. The target is asked once
  /// more first. Throws Error{conflict} where there is nothing to decide, where the side that is to
  /// have the job has no process of it, and, unless overruled, where the target says otherwise.
  asio::awaitable<void> force(std::string id, OperatorsWord word);
  [[nodiscard]] Migration& at(const std::string& id);
  [[nodiscard]] bool has(const std::string& id) const;
  [[nodiscard]] const std::list<Migration>& all() const { return migrations_; }
  /// The one that `source` leaves by now, or null.
  [[nodiscard]] Migration* running_for(const Instance& source);
  [[nodiscard]] Migration* running_of(const std::string& instance);
  Signal& changed() { return changed_; }
  /// Whether this very agent asks for a place here, for a migration of `leaving` that is under way
  /// or, in a dry run, could be. Without TLS every caller is taken for it.
  [[nodiscard]] bool moves_within(const ReservationRequest& asked, const Instance& leaving,
                                  const Caller& caller) const;
  /// The same, for a migration that ends with the rehearsal of a step.
  [[nodiscard]] bool rehearses_within(const ReservationRequest& asked, const Instance& leaving,
                                      const Caller& caller) const;
  /// What a target in doubt asks: decision, epoch, root, step, own_epoch, copy. `state` is the
  /// target's own, where it tells: what it may not know is found out by asking it.
  /// Inside TLS only the agent to which it goes is told: its certificate is for that host.
  [[nodiscard]] boost::json::object decision(const std::string& id, const std::string& state,
                                             const Caller& caller);

  // from the runtimes
  void on_hello(const Instance& source, const channel::Hello& hello);
  void on_message(Instance& source, const channel::Message& message);
  void on_detached(const Instance& source);
  void on_exit(Instance& source);

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  Instance& movable(const MigrationSpec& spec);
  Migration make(MigrationRequest wanted, const Instance& source);
  [[nodiscard]] Address own_address() const;
  void need_a_port() const;
  [[nodiscard]] bool is_here(const Address& agent) const;
  asio::awaitable<std::string> located(std::string to);
  void take_up(const Migration& m, const Transfer& transfer, Instance& source);
  asio::awaitable<void> run(std::string id);
  asio::awaitable<void> settle(std::string id, std::optional<Error> failed);
  asio::awaitable<void> sync_and_freeze(Migration& m);
  static void choose_arrival(MigrationSpec& spec, const Job& job);
  void choose_rehearsal(MigrationSpec& spec, const std::string& job_uid) const;
  [[nodiscard]] std::string place_of_rehearsal(const MigrationSpec& spec) const;
  asio::awaitable<criu::Examined> examine(const Instance& source);
  asio::awaitable<void> prepare_departure(Migration& m, Transfer& transfer);
  asio::awaitable<void> depart(Migration& m, Transfer& transfer, Deadline deadline);
  asio::awaitable<void> continue_stopped(Migration& m, Transfer& transfer,
                                         std::shared_ptr<void> in_use);
  asio::awaitable<void> restore_gpu_state(ProcessId root);
  asio::awaitable<void> end_departure(Migration& m);
  asio::awaitable<void> dismiss_keeper(const Migration& m, const Transfer& transfer);
  /// How long what has to read all of a job's state may take, `at_least` included.
  [[nodiscard]] static std::chrono::seconds time_to_read(const Instance& source,
                                                         std::chrono::seconds at_least);
  static void note_restored(Transfer& transfer, const TargetStatus& target);
  void kill_source_process(const Migration& m, const Transfer& transfer, const Instance& source);
  asio::awaitable<void> enter_phase(Migration& m, Transfer& transfer, const char* phase,
                                    Deadline deadline);
  [[nodiscard]] static bool is_phase(std::string_view text);
  void lose_job(const Instance& source, const channel::Failed& said);
  asio::awaitable<void> finish(Migration& m);
  asio::awaitable<void> await_source_exit(Migration& m);
  /// To a target whose job was taken back: until it says that nothing steps there.
  asio::awaitable<void> tell_the_lower_one(std::string id);
  void hear(Migration& m, const handover::Message& status);
  asio::awaitable<void> record_end(Migration& m, std::shared_ptr<void> in_use);
  asio::awaitable<void> abort(Migration& m, Error error);
  asio::awaitable<void> clean_up(Migration& m);

  // What follows from what: source_executor.cpp
  class Source;
  /// Throws the disk's refusal; then nothing of it has happened.
  void apply(Migration& m, const handover::SourceSide& next, const handover::Effects& effects);
  void apply(Migration& m, handover::Event event);
  void apply(Migration& m, const handover::Message& message);
  /// What the side says to who asks.
  handover::Message answer(Migration& m, const handover::Message& asked);

  // The target's agent: target_contact.cpp
  void send(Migration& m, const handover::Message& message);
  void send(Migration& m, Transfer& transfer, const handover::Message& message);
  void send_kept_back(Migration& m);
  [[nodiscard]] static bool is_at_failpoint(const Migration& m);
  asio::awaitable<void> call_target(Migration& m, Transfer& transfer, std::shared_ptr<void> in_use,
                                    handover::Message message);
  asio::awaitable<boost::json::object> request(Migration& m, Transfer& transfer,
                                               handover::Message message);
  asio::awaitable<boost::json::object> reservation_body(const Migration& m,
                                                        const Transfer& transfer);
  void answered(Migration& m, Transfer& transfer, const handover::Message& asked,
                std::optional<Error> failed, const boost::json::object& answer, bool awaited);
  void hear_before_the_commit(Migration& m, Transfer& transfer, const TargetStatus& status);
  void miss(Migration& m, const Transfer& transfer, const Error& failed, bool awaited);
  void hear_after_the_end(Migration& m, Transfer& transfer, const handover::Message& asked,
                          const std::optional<Error>& failed,
                          const std::optional<TargetStatus>& status, bool forced);
  void begin_sync(Migration& m);
  void begin_sync(Migration& m, const Transfer& transfer);
  /// What the handover itself takes beside the state: writes and calls, one after the other.
  [[nodiscard]] double handover_ms(const Migration& m) const;
  asio::awaitable<void> watch_target(Migration& m, std::shared_ptr<void> in_use);
  asio::awaitable<void> park(Migration& m, Deadline deadline);
  asio::awaitable<void> measure_round_trips(Migration& m, Deadline deadline);

  asio::awaitable<void> enter(Migration& m, handover::Event event, Deadline deadline);
  asio::awaitable<void> hold(Migration& m, Deadline deadline);
  asio::awaitable<bool> wait_for(const Migration& m, std::function<bool()> condition,
                                 Deadline until, Deadline deadline);
  /// Until it holds of each transfer.
  asio::awaitable<void> wait_for_each(const Migration& m, bool (*is)(const Transfer&),
                                      Deadline deadline);
  void check(const Migration& m, Deadline deadline) const;
  void release_trainer(Migration& m, Transfer& transfer, Instance& source);
  void note_warning(const Migration& m, Transfer& transfer, std::string warning) const;
  void note_failure(Migration& m, Error error);
  // The steps that a move made late: lost_time_words.cpp
  void note_late(const Instance& source, const channel::LateSteps& word);
  void note_no_more_steps(const Instance& source);
  [[nodiscard]] static bool awaits_first_steps(const Migration& m);
  asio::awaitable<void> hear_first_steps(Migration& m, std::shared_ptr<void> in_use);
  asio::awaitable<void> hear_first_steps(Migration& m, Transfer& transfer);
  void bump(Migration& m);
  void save(const Migration& m);
  void sample(const Migration& m, Transfer& transfer) const;
  void forget_old();
  void forget_old_timelines();
  [[nodiscard]] http::Endpoint peer(const Transfer& transfer) const;
  /// Over a line that is kept, but for what may not be done twice.
  asio::awaitable<boost::json::object> ask(http::Endpoint peer, std::string method,
                                           std::string path, boost::json::value body,
                                           std::chrono::milliseconds timeout);
  std::string recall(const Migration& planned, Measurements& measured) const;

  asio::io_context& context_;
  TaskGroup& tasks_;
  const Config& config_;
  Journal& journal_;
  Jobs& jobs_;
  RuntimeHub& hub_;
  criu::Host& criu_;
  HandoverGate& handover_gate_;
  TellEvent tell_;
  std::function<void(const Migration&)> forgetting_;
  Signal changed_;
  http::ConnectionPool connections_;  // to the targets' agents
  std::map<const Transfer*, std::unique_ptr<criu::Departure>> departures_;
  std::map<std::string, Migration*> live_;  // those that are not over, by their source's instance
  std::list<Migration> migrations_;         // addresses are stable until forgotten
};

}  // namespace cardswap
