/// What runtimes say, in the records that an agent makes of it: whatever it was, the next agent
/// reads them back.

#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "agent/handover/source/migration.h"
#include "agent/jobs/instance_processes.h"
#include "agent/jobs/job.h"
#include "agent/jobs/runtime_report.h"
#include "migrator/wire/runtime_messages.h"
#include "tests/fuzz/seeds.h"

std::vector<std::vector<std::byte>> cardswap::fuzz::seeds() {
  using namespace channel;
  MigrationStats stats;
  stats.phase = MigrationPhase::rounds;
  stats.expected_downtime_ms = 12.5;
  stats.transferred = 1U << 20;
  std::vector<std::vector<std::byte>> all;
  for (const Message& message : std::vector<Message>{
           Hello{.job = "gpt", .token = "t", .framework = "libtorch 2", .migration = "m-1"},
           Tracked{1U << 30, 3, {}, 1U << 20, 1U << 20, 1U << 20, {{"what", "hint", true}}},
           Stepped{7, 12.5}, Parked{"10.0.0.2", 4711, 1U << 20}, SyncProgress{"m-1", stats},
           Converged{"m-1", 12.5}, Frozen{"m-1", 7}, Verified{"m-1", 7, Digest{{1}}, stats},
           Failed{"m-1", Code::io, "disk", "look", true}, Resumed{"m-1", 7, 12.5, 0.1}}) {
    const auto frame = encode(message);
    all.emplace_back(frame.begin() + sizeof(std::uint32_t), frame.end());
  }
  return all;
}

namespace {

using namespace cardswap;

/// A record that cannot be read back would be the end of what it is about.
template <class FromJournal>
void expect_readable(const boost::json::object& record, FromJournal from_journal) {
  boost::system::error_code error;
  const auto again = boost::json::parse(boost::json::serialize(record), error);
  if (error || !again.is_object()) std::abort();
  (void)from_journal(again.get_object());  // what is thrown ends the program, too
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  channel::Message message;
  try {
    message = channel::decode({reinterpret_cast<const std::byte*>(data), size});
  } catch (const Error&) {
    return 0;
  }
  Job job;
  job.spec.name = "gpt";
  job.spec.argv = {"train"};
  auto& instance = job.instances.emplace_back(job);
  MigrationRecord m;
  m.id = "m-1";
  m.spec.to = "gpu-b/cpu:0";
  TransferRecord transfer;
  std::uint64_t frozen_at = 0;
  if (const auto* hello = std::get_if<channel::Hello>(&message)) {
    instance.framework = hello->framework;
  } else if (const auto* tracked = std::get_if<channel::Tracked>(&message)) {
    (void)note_sizes(instance, *tracked, 1U << 30);
  } else if (const auto* stepped = std::get_if<channel::Stepped>(&message)) {
    note_step(instance, stepped->step, stepped->median_step_ms);
  } else if (const auto* progress = std::get_if<channel::SyncProgress>(&message)) {
    transfer.stats = progress->stats;
  } else if (const auto* verified = std::get_if<channel::Verified>(&message)) {
    transfer.stats = verified->stats;
    m.side = handover::SourceSide(
        {handover::SourceState::committed, 2, 1, {verified->state_digest, verified->step}});
  } else if (const auto* converged = std::get_if<channel::Converged>(&message)) {
    transfer.predicted_downtime_ms = converged->expected_downtime_ms;
  } else if (const auto* frozen = std::get_if<channel::Frozen>(&message)) {
    frozen_at = frozen->step;
  } else if (const auto* failed = std::get_if<channel::Failed>(&message)) {
    m.error = Error(failed->code, failed->failure, failed->hint);
    explain_end(instance, failed->failure);
  } else if (const auto* resumed = std::get_if<channel::Resumed>(&message)) {
    transfer.downtime_ms = resumed->downtime_ms;
    transfer.clock_error_ms = resumed->clock_error_ms;
  } else {
    return 0;
  }
  auto sample = sample_of(transfer.stats);
  sample.step = frozen_at;
  transfer.timeline.add(std::move(sample));
  expect_readable(to_journal(job), [](const auto& record) { return Job(record).is_live(); });
  expect_readable(to_journal(m, std::vector{transfer}),
                  [](const auto& record) { return migration_from_journal(record); });
  return 0;
}
