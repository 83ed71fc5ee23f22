#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "migrator/base/fields_of.h"
#include "migrator/core/compression.h"

namespace cardswap {

/// How the state is sent while the job trains. `automatic`: the planner chooses.
enum class Strategy : std::uint8_t { automatic, stop_copy, rounds, replay };
/// "auto", "stop-copy", "rounds", "replay".
[[nodiscard]] std::string_view to_string(Strategy strategy);
constexpr Strategy last_of(Strategy) { return Strategy::replay; }

/// How the process gets to the target: the program is started there as a standby, or CRIU moves the
/// process. `automatic`: in requests only; the agent replaces it by the job's default before it
/// records the migration.
enum class ArrivalMode : std::uint8_t { standby, criu, automatic };
/// "standby", "criu", "auto".
[[nodiscard]] std::string_view to_string(ArrivalMode arrival);
constexpr ArrivalMode last_of(ArrivalMode) { return ArrivalMode::automatic; }

/// Whether both sides take one step from the same state before the commit, and compare the results.
/// `automatic`: in requests only; the agent replaces it by `on` if the job has never passed a
/// rehearsal, else by `off`, before it records the migration. `only`: rehearse, and never commit.
enum class Rehearsal : std::uint8_t { off, automatic, on, only };
/// "off", "auto", "on", "only".
[[nodiscard]] std::string_view to_string(Rehearsal rehearsal);
constexpr Rehearsal last_of(Rehearsal) { return Rehearsal::only; }

/// The bytes of the chunks in which a snapshot's state is sent and stored: the same for all
/// snapshots, so that they share chunks. A store takes no longer ones (store/pack.h).
inline constexpr std::uint64_t kSnapshotChunkBytes = 1U << 20;

/// The options of one migration. The request, the journal, the message to the source's runtime and
/// the engine all have this value. A new option needs a member here and a line in fields(), a flag
/// of the command (agent/cli/migration_options.cpp), and the code that uses it.
struct MigrationSpec {
  std::string job;
  std::string to;  ///< HOST[:PORT]/DEVICE
  Strategy strategy = Strategy::automatic;
  ArrivalMode arrive = ArrivalMode::automatic;
  double max_stall_ms = 300;    ///< the longest allowed delay of one step; 0: no limit
  std::uint64_t bandwidth = 0;  ///< bytes a second; 0: no cap
  /// The limit from the request to the commit; for a snapshot, to the capture. 0: no timeout.
  double timeout_ms = 600'000;
  std::uint32_t max_rounds = 0;          ///< rounds of pre-copy, with the base copy; 0: no limit
  std::uint64_t chunk_bytes = 1U << 20;  ///< of one chunk; kSnapshotChunkBytes in a snapshot
  std::uint64_t log_memory = 0;          ///< bytes of gradients in the log; 0: those of two steps
  bool auto_converge = false;            ///< slow the trainer down if rounds need it
  bool encrypt = false;
  Compression compression = Compression::automatic;
  Rehearsal rehearse = Rehearsal::off;
  /// A snapshot: the address of the store that gets the state, "file:/var/lib/cardswap/store"; the
  /// job stays. Empty: the job moves.
  std::string store = {};
  std::string tag = {};  ///< a snapshot: its name for people; or empty
  bool operator==(const MigrationSpec&) const = default;
};

/// The fields, in the order of the wire and with the names of the API. A limit of 0 means no limit.
/// A second name is the former name of the field.
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, MigrationSpec>& m) {
  a("job", m.job);
  a("to", m.to);
  a("strategy", m.strategy);
  a("arrive", m.arrive);
  a.limit("max_stall_ms", m.max_stall_ms, "max_downtime_ms");
  a.limit("bandwidth", m.bandwidth);
  a.limit("timeout_ms", m.timeout_ms);
  a.limit("max_rounds", m.max_rounds);
  a("chunk_bytes", m.chunk_bytes);
  a("log_memory", m.log_memory);
  a("auto_converge", m.auto_converge);
  a("encrypt", m.encrypt);
  a("compression", m.compression);
  a("rehearse", m.rehearse);
  a.optional("store", m.store);
  a.optional("tag", m.tag);
}

}  // namespace cardswap
