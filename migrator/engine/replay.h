#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "migrator/device/digest_job.h"
#include "migrator/engine/replay_units.h"
#include "migrator/engine/sender.h"
#include "migrator/engine/state_window.h"
#include "migrator/engine/update_log.h"

namespace cardswap {

/// The `replay` strategy at the source: base copy, then the update log.
///
/// A database's base backup and log shipping, with the optimizer's step as the log's entry: each
/// parameter goes over once, with its optimizer state, as of some step k (a shard, copied aside in
/// the window between two steps and sent from there); from k+1 on only its gradients follow, and
/// the target does the same step. What no optimizer rewrites goes by digests, as in rounds. An
/// audit, digests of everything on both sides after one and the same step, finds what replaying
/// does not reproduce; those shards go by digests from there on.
///
/// What the program tracks may change meanwhile: a parameter's first gradient makes its optimizer
/// state. The target then takes the other layout between two updates, and only the shards concerned
/// are copied again.
class Replay {
 public:
  explicit Replay(Sender& sender);
  ~Replay();
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  /// Asks the program for its log. False: it has none, or nothing that an update rewrites.
  bool begin();
  /// Syncs until the program is frozen; again after a freeze that was put off. False: replaying
  /// does not work here, no update could be reproduced, and from now on this covers nothing; what
  /// was sent has been replayed.
  bool sync();
  /// What a freeze with that state has to send, as far as it can be known before all is digested.
  [[nodiscard]] std::uint64_t bytes_left(const StateView& frozen) const;
  /// After the freeze: sends what is left of the log, and takes over the frozen state's layout.
  void finish_log(const StateView& frozen);
  /// True for a chunk that needs no sending because the target replays its updates.
  [[nodiscard]] bool covers(ChunkId chunk) const;
  [[nodiscard]] std::uint64_t updates_sent() const { return updates_sent_; }

 private:
  struct Audit {
    explicit Audit(std::uint64_t step) : step(step) {}
    std::uint64_t update = 0;  ///< its number, once it was sent
    std::uint64_t step;
    StateView state_view;  ///< keeps what is scanned alive
    std::optional<DigestJob> scan;
    std::optional<std::vector<Digest>> now;
  };
  /// A shard's bytes as of a boundary, region after region.
  struct Staged {
    std::size_t unit = 0;
    Buffer copy;
  };
  struct Unacknowledged {
    std::uint64_t update = 0;
    std::uint64_t bytes = 0;
  };

  void bound_log(std::uint64_t update_bytes);
  void follow_the_program();
  void take_layout(StateView now);
  static void add_name(std::string& names, std::uint64_t count, const Region& region);
  void go_by_digests(std::size_t unit, const Region& named);
  void tell();
  void send_uncovered_regions();
  bool send_next();
  void ask_for_audit();
  void stage_what_is_due();
  bool stage_next_shard();
  void send_staged_shard();
  void drop_staged_shards();
  void send_entry(UpdateEntry entry);
  void send_gradients(std::uint64_t update, const UpdateEntry& entry);
  /// What has to be looked at between any two sends.
  void poll();
  void poll_audit();
  void conclude_audit();
  void predict();
  void give_up();

  [[nodiscard]] bool base_left() const { return base_bytes_left() != 0; }
  [[nodiscard]] std::uint64_t base_bytes_left() const {
    return staged_bytes_ + units_.bytes_to_copy(next_unit_);
  }
  [[nodiscard]] std::optional<std::size_t> unit_of(ChunkId chunk) const {
    return units_.of(sender_.chunks()[static_cast<std::size_t>(chunk)].region);
  }

  Sender& sender_;
  const std::shared_ptr<UpdateLog> log_;
  const std::shared_ptr<StateWindow> window_;
  ReplayUnits units_;
  std::size_t next_unit_ = 0;  ///< to be staged
  std::deque<Staged> staged_;
  Buffer copy_;  ///< for the next shard; allocated before the window is held open
  std::uint64_t staged_bytes_ = 0;
  std::uint64_t updates_sent_ = 0;
  std::uint64_t noted_update_ = 0;  ///< the latest whose time at the target was noted
  std::uint64_t latest_step_sent_ = 0;
  std::uint64_t base_chunks_sent_ = 0;
  std::uint64_t base_bytes_staged_ = 0;
  std::uint64_t step_bytes_ = 0;        ///< of one step's gradients, the most so far
  std::uint64_t usual_step_bytes_ = 0;  ///< the same, of late
  std::uint64_t room_ = 0;              ///< for gradients, where the program trains
  std::uint64_t step_bytes_so_far_ = 0;
  std::deque<Unacknowledged> unacknowledged_;
  std::optional<Audit> audit_;
  bool audit_asked_ = false;
  bool audited_ = false;                  ///< and nothing differed
  bool audit_concluded_ = false;          ///< since the layout is as it is
  std::uint64_t interrupted_audits_ = 0;  ///< in a row, by a layout with nothing new to replay
  bool given_up_ = false;
  bool begun_ = false;             ///< what no update rewrites was sent
  std::uint64_t came_late_ = 0;    ///< units that began while others were replayed
  std::string late_names_;         ///< a region of each, the first few
  std::uint64_t dirty_bytes_ = 0;  ///< that differed by digest at the latest audit
};

}  // namespace cardswap
