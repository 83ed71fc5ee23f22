#pragma once

#include <boost/asio/awaitable.hpp>
#include <set>
#include <string>

#include "agent/base/config.h"
#include "agent/base/event_sink.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/job_list.h"

namespace cardswap::snapshots {

/// The parts of the agent that a SnapshotPruner uses. All outlive it.
struct PrunerContext {
  const Config& config;
  JobList& jobs;
  Migrations& migrations;
  TaskGroup& tasks;
  EventSink& events;
};

/// Prunes the snapshots of protected jobs by their own rules, one prune of a job at a time. Why one
/// came to nothing is in the job's record and told once. Owned by the Protector; one thread.
class SnapshotPruner {
 public:
  explicit SnapshotPruner(const PrunerContext& context) : context_(context) {}
  SnapshotPruner(const SnapshotPruner&) = delete;
  SnapshotPruner& operator=(const SnapshotPruner&) = delete;

  /// Prunes the store of a protected job in a task, unless one does so already.
  void start(const Job& job);

 private:
  asio::awaitable<void> prune(std::string job_id);
  /// Notes why nothing was pruned, and tells it if that is news; empty: it was.
  void note(const std::string& job_id, const std::string& failure);

  const PrunerContext context_;
  std::set<std::string> running_;  // by the id of the job's record
};

}  // namespace cardswap::snapshots
