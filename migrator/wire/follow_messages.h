#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// The messages of a process that keeps the place of a rank which has moved away: it waits for the
/// end of that rank, wherever that is by then. It has a connection to the agent of its own host, on
/// which a Follow stands in place of Hello.
namespace cardswap::channel {

/// What became of a job of one process, or of one rank of a job of many.
enum class EndState : std::uint8_t {
  runs,       ///< it is not over
  exited,     ///< it ended with an exit code
  signalled,  ///< it ended by a signal
  unknown,    ///< it is over, and nobody can tell how it ended
  unneeded,   ///< nobody waits for that process: its agent started it
};
constexpr EndState last_of(EndState) { return EndState::unneeded; }
[[nodiscard]] constexpr std::string_view to_string(EndState state) {
  switch (state) {
    case EndState::runs: return "runs";
    case EndState::exited: return "exited";
    case EndState::signalled: return "signalled";
    case EndState::unknown: return "unknown";
    case EndState::unneeded: return "unneeded";
  }
  return "unknown";
}

// ---- from the process

/// The first frame of a connection that follows a rank. Answered by Followed or Refused.
struct Follow {
  std::uint32_t protocol_version = 0;
  std::string job;
  std::string token;  ///< from CARDSWAP_TOKEN
  std::uint32_t rank = 0;
  bool operator==(const Follow&) const = default;
};
/// The launcher has sent that signal: the rank is to get it, wherever it is.
struct Deliver {
  std::uint32_t signal = 0;
  bool operator==(const Deliver&) const = default;
};

// ---- from the agent

/// Where the rank is and what became of it; sent again whenever that changes, and last at its end.
struct Followed {
  EndState state = EndState::runs;
  std::uint32_t number = 0;  ///< the exit code or the signal
  std::string at;            ///< "gpu-b:7070/cuda:0"
  std::string note;          ///< why it is not known, or why not for now; or empty
  [[nodiscard]] bool is_over() const { return state != EndState::runs; }
  bool operator==(const Followed&) const = default;
};

}  // namespace cardswap::channel
