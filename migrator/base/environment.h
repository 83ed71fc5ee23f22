#pragma once

#include <cstdlib>
#include <string>

/// What an agent tells the processes of a job, in their environment: `run`'s program, a standby, a
/// `cardswap-holder`. Whoever has none of it is in no agent's care, and its Session is inert.
namespace cardswap::environment {

inline constexpr const char* kSocket = "CARDSWAP_SOCKET";  ///< where the agent listens for it
inline constexpr const char* kJob = "CARDSWAP_JOB";        ///< its job's name
inline constexpr const char* kToken = "CARDSWAP_TOKEN";    ///< proves whose process it is
inline constexpr const char* kRole = "CARDSWAP_ROLE";      ///< kPrimary or kStandby
inline constexpr const char* kArrive = "CARDSWAP_ARRIVE";  ///< how it moves by itself: "criu"
inline constexpr const char* kDevice = "CARDSWAP_DEVICE";  ///< "cpu:0", "cuda:1": for the program

inline constexpr const char* kPrimary = "primary";
inline constexpr const char* kStandby = "standby";

/// The variable's value; empty where it is not set. To be called before the process has other
/// threads.
[[nodiscard]] inline std::string value_of(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace cardswap::environment
