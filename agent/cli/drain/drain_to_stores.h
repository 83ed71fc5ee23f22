#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <list>
#include <string>
#include <vector>

#include "agent/cli/drain/drain_options.h"
#include "agent/cli/drain/drain_run.h"
#include "agent/cli/snapshots/snapshot_turn.h"

namespace cardswap::cli {

/// `cardswap drain --policy snapshot-only`: every job of a host gets a last snapshot into the store
/// of its protection, and is stopped once that is whole; the note of its row is the command that
/// starts it again. While a job is in another migration its snapshot waits for the end of that, up
/// to the drain's deadline. Its snapshots are the agent's migrations, so killing the command loses
/// nothing. One thread; `context` outlives it.
class DrainToStores {
 public:
  /// Asks the agent for its jobs; changes nothing. Throws Error{refused} that names the jobs which
  /// have no store, Error{bad_request} for options that cannot be used, and what Client::call() and
  /// listed_jobs() throw.
  DrainToStores(const Context& context, DrainOptions options);

  /// Cordons the host, and returns when every job is stopped or cannot be, or when the drain was
  /// stopped by the deadline or the user. A snapshot that fails leaves its job training. Throws
  /// what DrainRun::call() and Client::call() throw.
  Exit run();
  /// Prints which job would be kept where; changes nothing.
  Exit dry_run();

 private:
  /// One job of the host, and where its state goes.
  struct Job {
    DrainItem item;
    std::string store;
    std::string waits_for;  ///< the migration whose end its snapshot waits for; empty: for none
    SnapshotTurn turn;
    std::chrono::steady_clock::time_point not_before;  ///< of the next try
    std::size_t asks = 0;                              ///< of those that the agent did not answer
  };

  void read_jobs();
  void refuse_unprotected() const;
  void start_waiting();
  void start(Job& job);
  void await_turn(Job& job, const Error& refusal);
  [[nodiscard]] bool has_turn(Job& job);
  void follow();
  void conclude(Job& job);
  void stop_job(Job& job);
  [[nodiscard]] std::size_t count(DrainItem::Phase phase) const;
  [[nodiscard]] std::list<DrainItem> items() const;
  void begin_table();

  const DrainOptions options_;
  DrainRun run_;
  std::list<Job> jobs_;
};

}  // namespace cardswap::cli
