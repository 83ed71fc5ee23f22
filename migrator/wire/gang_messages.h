#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/core/digest.h"

/// The messages of a gang between a trainer's runtime and its agent: part of runtime_messages.h,
/// which says how they follow each other. A gang is one move of ranks of a job of many ranks;
/// `gang` is its id. See docs/architecture.md, "A gang".
namespace cardswap::channel {

/// The ranks of a job whose agents' addresses are told (RankPlace).
inline constexpr std::size_t kRanksMax = 4096;

// ---- runtime -> agent

/// The agents of all ranks of the job, as each of these ranks has told it to the others. Sent once
/// the program has made its groups, and again after a reconnection.
struct RankPlace {
  std::uint32_t rank = 0;
  std::uint32_t ranks = 1;
  /// Welcome::agent_address of rank 0, 1, ...: `ranks` of them. Empty: that agent has no address.
  std::vector<std::string> agents;
  bool operator==(const RankPlace&) const = default;
};
/// Answer to BuildNext: the next communicator is there, and the loop still uses the old one.
/// Failed{gang} comes in its place where it cannot be built.
struct NextBuilt {
  std::string gang;
  std::uint64_t earliest = 0;  ///< the first step at which the gate could park the trainer
  bool operator==(const NextBuilt&) const = default;
};
/// Answer to Arm: the training thread will be parked at that step, or stands there.
struct Armed {
  std::string gang;
  std::uint64_t step = 0;
  bool operator==(const Armed&) const = default;
};
/// Answer to Arm: the training thread is past that step. What was set before is kept to.
struct Late {
  std::string gang;
  std::uint64_t earliest = 0;  ///< the first step at which the gate could still park it
  bool operator==(const Late&) const = default;
};
/// The training thread is parked at the step for which it was armed, until an Arm of a later step,
/// SwitchOver, Release or Retire.
struct Reached {
  std::string gang;
  std::uint64_t step = 0;
  bool operator==(const Reached&) const = default;
};
/// Answer to Check: no difference was found.
struct Checked {
  std::string gang;
  std::uint64_t step = 0;
  Digest state_digest;  ///< of a rank that leaves: of the state that both ends hold; else zeros
  bool operator==(const Checked&) const = default;
};
/// Answer to Check: what is wrong with the next communicator, or with the state that was sent. The
/// trainer stays parked and waits for Release.
struct CheckFailed {
  std::string gang;
  Code code = Code::internal;
  std::string failure;
  std::string hint;
  bool operator==(const CheckFailed&) const = default;
};

/// What the next communicators took on a rank that stays, in ms and without its waits for other
/// ranks. Sent once it goes on with them.
struct CommunicatorsTook {
  std::string gang;
  double build_ms = 0;     ///< to connect them, beside training
  double try_ms = 0;       ///< to try them, at the agreed step
  double exchange_ms = 0;  ///< to put them in, at that step
  bool operator==(const CommunicatorsTook&) const = default;
};

// ---- agent -> runtime

/// The place of a newcomer, a part of Welcome.
struct GangPlace {
  std::string gang;         ///< the gang's id; empty: the process is no newcomer of a gang
  std::uint64_t epoch = 0;  ///< the epoch that the gang leads to
  std::uint32_t rank = 0;
  std::uint32_t ranks = 1;
  std::string rendezvous;              ///< host and port where the ranks of that epoch meet
  std::vector<std::uint32_t> moved{};  ///< as BuildNext::moved
  bool operator==(const GangPlace&) const = default;
};
/// Tells a rank of a gang that stays to build the next communicator, on a thread beside the loop,
/// with the ranks that stay and the newcomers. Answered by NextBuilt or Failed; said again, by the
/// same answer.
struct BuildNext {
  std::string gang;
  std::uint64_t epoch = 0;  ///< the epoch that the gang leads to
  std::string rendezvous;   ///< host and port where the ranks of that epoch meet
  std::uint32_t ranks = 0;  ///< how many there are; a job that knows another number fails
  /// The ranks that leave. A group that none of them is in stays as it is.
  std::vector<std::uint32_t> moved{};
  bool operator==(const BuildNext&) const = default;
};
/// Tells a rank of a gang to park at boundary `step`. A later step than it is armed for replaces
/// that one. Answered by Armed or Late.
struct Arm {
  std::string gang;
  std::uint64_t step = 0;
  bool operator==(const Arm&) const = default;
};
/// Tells a rank that is parked at the agreed step to check the next communicator, or to send the
/// rest of its state and compare digests. Answered by Checked or CheckFailed.
struct Check {
  std::string gang;
  bool operator==(const Check&) const = default;
};
/// Tells a rank that stays, has checked and is parked to go on with the next communicator. Answered
/// by FirstStep.
struct SwitchOver {
  std::string gang;
  std::uint64_t epoch = 0;  ///< under which it steps from here on
  bool operator==(const SwitchOver&) const = default;
};
/// Each rank has done a step of the next epoch: the old communicator is closed.
struct CloseOld {
  std::string gang;
  bool operator==(const CloseOld&) const = default;
};

}  // namespace cardswap::channel
