#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "migrator/base/fields_of.h"
#include "migrator/base/named.h"

namespace cardswap {

/// The phase of a migration, as its source reports it.
enum class MigrationPhase : std::uint8_t {
  none,  ///< nothing reported yet
  connect,
  probe,
  base_copy,
  rounds,
  replay,
  frozen,
  verify,
  rehearsal,
  // with ArrivalMode::criu, reported by the agent:
  departing,
  dumping,
  shipping,
  restoring,
};
constexpr MigrationPhase last_of(MigrationPhase) { return MigrationPhase::restoring; }
/// "base_copy"; empty for `none`.
[[nodiscard]] std::string_view to_string(MigrationPhase phase);

/// How state is sent from a GPU's memory.
enum class GpuPath : std::uint8_t {
  none,    ///< no state is on a GPU
  staged,  ///< through the host's memory
  direct,  ///< the link reads the GPU's memory
};
constexpr GpuPath last_of(GpuPath) { return GpuPath::direct; }
/// "staged"; empty for `none`.
[[nodiscard]] std::string_view to_string(GpuPath path);

/// The result of a rehearsal.
enum class RehearsalOutcome : std::uint8_t {
  none,      ///< no result yet, or no rehearsal was requested
  equal,     ///< both sides have the same bytes
  rounding,  ///< the two sides differ only by rounding
  differs,
  left_out,  ///< the program cannot rehearse a step
};
constexpr RehearsalOutcome last_of(RehearsalOutcome) { return RehearsalOutcome::left_out; }
/// "left out"; empty for `none`.
[[nodiscard]] std::string_view to_string(RehearsalOutcome outcome);
/// Whether the result allows the job to go on at the target.
[[nodiscard]] constexpr bool has_passed(RehearsalOutcome outcome) {
  return outcome == RehearsalOutcome::equal || outcome == RehearsalOutcome::rounding;
}

/// The figures of one migration; they have QEMU's names where it has such figures. Units: bytes,
/// milliseconds, bytes a second. A value: the engine makes one at most every 100 ms, and in
/// addition after a round and when a strategy was chosen, a step is rehearsed, or a freeze is
/// offered, put off or begun.
struct MigrationStats {
  MigrationPhase phase{};
  std::uint64_t transferred = 0;    ///< bytes sent, repeats included
  std::uint64_t remaining = 0;      ///< bytes of this round or of the base copy still to send
  std::uint64_t total = 0;          ///< bytes of tracked state
  std::uint32_t rounds = 0;         ///< rounds finished; the base copy is the first one
  std::uint64_t dirty_rate = 0;     ///< bytes a second that become dirty
  std::uint64_t rate = 0;           ///< bytes a second on the link, measured while sending
  double expected_downtime_ms = 0;  ///< of a freeze now
  double expected_stall_ms = 0;     ///< the longest delay of one step, past and predicted
  double expected_lost_ms = 0;      ///< the sum of all delays, past and predicted
  std::uint64_t bytes_in_downtime = 0;
  double setup_time_ms = 0;     ///< to connect and to agree on the layout
  double freeze_scan_ms = 0;    ///< parts of the downtime: digest everything, ...
  double freeze_send_ms = 0;    ///< ... send what differs, ...
  double freeze_verify_ms = 0;  ///< ... compare digests
  double median_step_ms = 0;
  std::string strategy;             ///< the strategy in use
  std::uint64_t log_entries = 0;    ///< replay: optimizer steps sent, ...
  std::uint64_t log_bytes = 0;      ///< ... bytes of gradients sent, ...
  std::uint64_t log_lag_bytes = 0;  ///< ... and of gradients that the target has not replayed yet
  std::uint64_t early_bytes = 0;    ///< of log_bytes, sent before their optimizer step, ...
  std::uint64_t resent_bytes = 0;   ///< ... and of early_bytes, sent again because they changed
  double replay_ms = 0;             ///< time of an update at the target, the longest recent one
  double back_pressure_ms = 0;      ///< the trainer waited because the log was full
  double window_wait_ms = 0;        ///< the trainer waited for a copy or a digest of its state
  double log_wait_ms =
      0;  ///< the trainer waited before its last step, for the log or the rehearsal
  std::string compression;       ///< the codec used last, "lz4" or "zstd"; empty: none so far
  double compression_ratio = 1;  ///< bytes of state for one byte sent, of the latest payloads
  GpuPath gpu_path{};
  std::uint32_t throttle_pct = 0;         ///< by which share the trainer is slowed down
  std::uint64_t shards_not_replayed = 0;  ///< that an audit found different
  std::string not_replayed;               ///< one region of each of the first few such shards
  std::uint32_t freezes_put_off = 0;      ///< because more was left than when they were offered
  std::string remark;                     ///< for people: what was not done as planned, and why
  RehearsalOutcome rehearsal{};
  std::string rehearsal_remark;  ///< for people: which step was rehearsed, and what differed
  /// A snapshot: bytes that were copied in the freeze and sent while the job trained on.
  std::uint64_t copied_bytes = 0;
  bool operator==(const MigrationStats&) const = default;
};

/// The fields, in the order of the wire and with the names of the API and of the journal.
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, MigrationStats>& m) {
  a.named("phase", m.phase);
  a("transferred", m.transferred);
  a("remaining", m.remaining);
  a("total", m.total);
  a("rounds", m.rounds);
  a("dirty_rate", m.dirty_rate);
  a("rate", m.rate);
  a("expected_downtime_ms", m.expected_downtime_ms);
  a("bytes_in_downtime", m.bytes_in_downtime);
  a("setup_time_ms", m.setup_time_ms);
  a("freeze_scan_ms", m.freeze_scan_ms);
  a("freeze_send_ms", m.freeze_send_ms);
  a("freeze_verify_ms", m.freeze_verify_ms);
  a("median_step_ms", m.median_step_ms);
  a("strategy", m.strategy);
  a("log_entries", m.log_entries);
  a("log_bytes", m.log_bytes);
  a("log_lag_bytes", m.log_lag_bytes);
  a("replay_ms", m.replay_ms);
  a("back_pressure_ms", m.back_pressure_ms);
  a("window_wait_ms", m.window_wait_ms);
  a.renamed("log_wait_ms", m.log_wait_ms, "hold_ms");
  a("compression", m.compression);
  a("compression_ratio", m.compression_ratio);
  a.named("gpu_path", m.gpu_path, "card_path");
  a("throttle_pct", m.throttle_pct);
  a.renamed("shards_not_replayed", m.shards_not_replayed, "regions_not_replayed");
  a("not_replayed", m.not_replayed);
  a("freezes_put_off", m.freezes_put_off);
  a("note", m.remark);
  a.named("rehearsal", m.rehearsal);
  a("rehearsal_note", m.rehearsal_remark);
  a("expected_stall_ms", m.expected_stall_ms);
  a("expected_lost_ms", m.expected_lost_ms);
  a("early_bytes", m.early_bytes);
  a("resent_bytes", m.resent_bytes);
  a("copied_bytes", m.copied_bytes);
}

}  // namespace cardswap
