#pragma once

#include <cstdlib>
#include <string>

/// The variables of the processes of a job: the program of `cardswap run`, a standby, a
/// `cardswap-holder`, a `cardswap-keeper`. An agent sets all but kSnapshotMemory, which is a
/// user's. In a process without them a Session talks to no agent.
namespace cardswap::environment {

inline constexpr const char* kSocket = "CARDSWAP_SOCKET";  ///< path of the agent's socket
inline constexpr const char* kJob = "CARDSWAP_JOB";        ///< the job's name
inline constexpr const char* kToken = "CARDSWAP_TOKEN";    ///< proves that the process is the job's
inline constexpr const char* kRole = "CARDSWAP_ROLE";      ///< kPrimary or kStandby
inline constexpr const char* kArrive = "CARDSWAP_ARRIVE";  ///< "criu": the process itself is moved
inline constexpr const char* kDevice = "CARDSWAP_DEVICE";  ///< for the program: "cpu:0", "cuda:1"
/// The program `cardswap` of the agent: by it a rank that has left keeps its place.
inline constexpr const char* kCommand = "CARDSWAP_COMMAND";

/// How much memory the copy may take from which a snapshot is sent, "2GiB".
inline constexpr const char* kSnapshotMemory = "CARDSWAP_SNAPSHOT_MEMORY";

inline constexpr const char* kPrimary = "primary";
inline constexpr const char* kStandby = "standby";

/// The variable's value; empty if it is not set. Not to be called while another thread may change
/// the environment.
[[nodiscard]] inline std::string value_of(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace cardswap::environment
