#pragma once

#include <cstdint>
#include <string>

#include "agent/jobs/job.h"
#include "migrator/wire/runtime_messages.h"

/// Takes the reports of the runtimes of a job of many ranks into the job's record: into the rank's
/// RankProcess, and into the fields of its instance, which then stand for all ranks of that process
/// tree. In memory only, but for what is said.
namespace cardswap {

/// A rank's runtime attaches: it is `process`. The entry of that rank is made if there is none.
void note_rank_attached(Instance& instance, const channel::Hello& hello, const ProcessId& process);
/// Notes that a rank's connection is gone. The instance counts as attached while another rank is.
void note_rank_detached(Instance& instance, std::uint32_t rank);
/// Takes sizes, steps, obstacles and the agents of the other ranks. Other messages change nothing.
void note_rank_message(Instance& instance, std::uint32_t rank, const channel::Message& message);
void note_rank_frozen(Instance& instance, std::uint32_t rank, bool frozen);
/// Other processes than before are the job's ranks from now on: where their agents are is not known
/// until they have told each other (channel::RankPlace).
void note_other_ranks(Instance& instance, std::uint32_t rank);
/// The rank is at `to` from now on, such as "gpu-b:7070/cuda:0". On disk with the job's next save.
void note_rank_moved(Instance& instance, std::uint32_t rank, const std::string& to);
/// The rank, which left this instance earlier, is at `place` by now. On disk with the job's next
/// save.
void note_rank_place(Instance& instance, std::uint32_t rank, const std::string& place);
/// Where the ranks that have left are now, each place once and by rank, with commas between them.
[[nodiscard]] std::string places_of_ranks(const Instance& instance);

}  // namespace cardswap
