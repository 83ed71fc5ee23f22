#pragma once

#include <cstdint>
#include <string>

#include "migrator/core/digest.h"

/// The messages of a gradient log between a trainer's runtime and its agent; runtime_messages.h has
/// the rest, and says how all of them are framed.
namespace cardswap::channel {

// ---- runtime -> agent

/// What has become of the gradient log of KeepLog. Sent when it changes, at most ten times a
/// second, and again after a reconnection.
struct Logged {
  Digest order;                    ///< digest_of() the encoded KeepLog that is in force; or zeros
  std::uint64_t from = 0;          ///< the first step that is in the store; 0: none is
  std::uint64_t to = 0;            ///< the last one of this process
  std::uint64_t behind = 0;        ///< steps that wait for the store
  std::uint64_t dropped = 0;       ///< steps that were left out
  std::uint64_t dropped_step = 0;  ///< the last one of them; 0: none
  std::uint64_t unproven = 0;      ///< logged steps without a state digest
  std::uint64_t kept_bytes = 0;    ///< of all that is kept
  double waited_ms = 0;            ///< for which steps stood
  std::string failure;             ///< why the latest steps are not in the store; or empty
  bool operator==(const Logged&) const = default;
};

// ---- agent -> runtime

/// Whether steps wait for the gradient log.
enum class LogMode : std::uint8_t { off, async, sync };
constexpr LogMode last_of(LogMode) { return LogMode::sync; }
/// Tells the job to keep a gradient log, or which snapshot its log may count on. Answered by
/// Logged.
struct KeepLog {
  LogMode mode = LogMode::off;
  std::string store;  ///< its address, on the job's host
  std::string run;    ///< the job's run in that store
  std::string branch;
  std::uint64_t window_steps = 0;  ///< 0: no limit
  std::uint64_t window_bytes = 0;  ///< 0: no limit
  std::uint64_t base_step = 0;     ///< of the newest verified snapshot; 0: there is none
  bool operator==(const KeepLog&) const = default;
};

}  // namespace cardswap::channel
