#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "migrator/base/archive_of.h"
#include "migrator/core/compression.h"

namespace cardswap {

/// How the state is brought over while the job trains; automatic: as the planner chooses.
enum class Strategy : std::uint8_t { automatic, stop_copy, rounds, replay };
/// "auto", "stop-copy", "rounds", "replay".
[[nodiscard]] std::string_view to_string(Strategy strategy);
constexpr Strategy last_of(Strategy) { return Strategy::replay; }

/// How the process comes to the target: the program was started there, or CRIU brings it.
/// `automatic`, as its job was started, is a request's word: the agent chooses before it goes on.
enum class Arrival : std::uint8_t { standby, criu, automatic };
/// "standby", "criu", "auto".
[[nodiscard]] std::string_view to_string(Arrival arrival);
constexpr Arrival last_of(Arrival) { return Arrival::automatic; }

/// Whether the standby takes one step beside the source before anything commits, and both compare
/// what that left. `automatic`: where the job never passed one; a request's word: the agent chooses
/// before it goes on. `only`: nothing commits whatever comes of it.
enum class Rehearsal : std::uint8_t { off, automatic, on, only };
/// "off", "auto", "on", "only".
[[nodiscard]] std::string_view to_string(Rehearsal rehearsal);
constexpr Rehearsal last_of(Rehearsal) { return Rehearsal::only; }

/// The options of one migration: the same value in the request, in the journal, in the order to the
/// source's runtime and in its engine. An option is a member here with its line in fields(), a flag
/// of the command (agent/cli/migration_options.cpp), and the code that acts on it.
struct MigrationSpec {
  std::string job;
  std::string to;  ///< HOST[:PORT]/DEVICE
  Strategy strategy = Strategy::automatic;
  Arrival arrive = Arrival::automatic;
  double max_stall_ms = 300;    ///< that one step may be late; 0: no limit
  std::uint64_t bandwidth = 0;  ///< bytes a second; 0: no cap
  double timeout_ms = 600'000;  ///< 0: none
  std::uint32_t max_rounds =
      0;  ///< of pre-copy, the base copy being the first; 0: as many as it takes
  std::uint64_t chunk_bytes = 1U << 20;
  std::uint64_t log_bytes_max = 0;  ///< gradients held for the log; 0: twice a step's
  bool auto_converge = false;       ///< slow the trainer down if rounds need it
  bool encrypt = false;
  Compression compression = Compression::automatic;
  Rehearsal rehearse = Rehearsal::off;
  /// A snapshot: where its target keeps the state, "file:/var/lib/cardswap/store"; the job stays.
  /// Empty: the job moves.
  std::string store = {};
  std::string tag = {};  ///< a snapshot's name for people; or empty
  bool operator==(const MigrationSpec&) const = default;
};

/// The fields in the order of the wire, under the names of the API. A limit of 0 is none. A second
/// name is the older one of the same field.
template <class Archive>
void fields(Archive& a, Of<Archive, MigrationSpec>& m) {
  a("job", m.job);
  a("to", m.to);
  a("strategy", m.strategy);
  a("arrive", m.arrive);
  a.limit("max_stall_ms", m.max_stall_ms, "max_downtime_ms");
  a.limit("bandwidth", m.bandwidth);
  a.limit("timeout_ms", m.timeout_ms);
  a.limit("max_rounds", m.max_rounds);
  a("chunk_bytes", m.chunk_bytes);
  a("log_memory", m.log_bytes_max);
  a("auto_converge", m.auto_converge);
  a("encrypt", m.encrypt);
  a("compression", m.compression);
  a("rehearse", m.rehearse);
  a.optional("store", m.store);
  a.optional("tag", m.tag);
}

}  // namespace cardswap
