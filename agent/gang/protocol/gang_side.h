#pragma once

#include <span>
#include <vector>

#include "agent/gang/protocol/gang_protocol.h"

namespace cardswap::gang {

/// One rank of the job, to the conductor.
struct GangRank {
  Part part = Part::stays;
  /// What was committed for it; of one that leaves, from `committed` on.
  Content content{};
  bool operator==(const GangRank&) const = default;
};

/// What the journal holds of a gang at its conductor.
struct GangRecord {
  GangState state = GangState::planned;
  Epoch epoch = 0;         ///< what the job has when it is done
  Epoch own_epoch = 0;     ///< under which it goes on where it is given up
  std::uint64_t step = 0;  ///< proposed or agreed
  /// Whether it was taken back by the operator's word, and newcomers must still say that nothing
  /// steps there.
  bool notice_pending = false;
  std::vector<GangRank> ranks;  ///< by rank
  bool operator==(const GangRecord&) const = default;
};

/// What a conductor has heard of a rank, and forgets when it restarts. Of what is said late or
/// twice the furthest counts.
struct HeardOfRank {
  RankState state = RankState::training;
  std::uint64_t step = 0;
  Content content{};
  handover::TargetState newcomer = handover::TargetState::nothing;
  Content newcomer_content{};
  bool is_clear = false;           ///< it has said since the end that nothing of the gang is there
  bool newcomer_is_clear = false;  ///< the same of its newcomer's agent
  bool operator==(const HeardOfRank&) const = default;
};

/// The agent that conducts a gang: it owns the one decision over all ranks of a job.
///
/// A value, like SourceSide, whose place it has to the newcomers' TargetSides. All ranks of the job
/// stand at one step, each that leaves equal to its newcomer, each that stays with the next
/// communicator checked, when it commits. Then the newcomers are granted; when all have that on
/// disk the ranks that stay go, and from there nothing is taken back. Until then no rank has taken
/// a step under the next epoch, so the gang can go back as a whole once the newcomers are proven to
/// have ended.
class GangSide {
 public:
  /// `margin`: how many steps behind the furthest rank one is proposed.
  explicit GangSide(GangRecord record, std::vector<HeardOfRank> heard = {},
                    std::uint64_t margin = 2, std::span<const GangRule> rules = kGangRules);

  [[nodiscard]] const GangRecord& record() const { return record_; }
  [[nodiscard]] const std::vector<HeardOfRank>& heard() const { return heard_; }
  [[nodiscard]] GangState state() const { return record_.state; }

  /// Takes an event of the walk, a failure, a newcomer's silence or the operator's word.
  GangEffects on(GangEvent event);
  /// Takes what the agent of a rank says.
  GangEffects on(std::uint32_t rank, const RankStatus& status);
  /// Takes what the agent of a rank's newcomer says.
  GangEffects on(std::uint32_t rank, const handover::Message& message);
  /// What is worth saying again to the agent of a rank, and of its newcomer: time has passed
  /// without news.
  [[nodiscard]] GangEffects tick(std::uint32_t rank) const;
  [[nodiscard]] GangEffects tick_newcomer(std::uint32_t rank) const;
  /// What to do for a side that was made from a record that a former agent left.
  GangEffects recover();

  /// The order that stands for a rank.
  [[nodiscard]] Order::Kind due_order(std::uint32_t rank) const;
  /// An order as it is sent.
  [[nodiscard]] Order order(Order::Kind kind) const;
  /// A word as it is sent to the newcomer of a rank.
  [[nodiscard]] handover::Message word(std::uint32_t rank, handover::Message::Kind kind) const;
  [[nodiscard]] handover::Decision decision() const;
  /// Whether `effect`, where it names no rank, is for this one.
  [[nodiscard]] bool concerns(const GangEffect& effect, std::uint32_t rank) const;

 private:
  GangEffects look();
  GangEffects look_for_the_step();
  GangEffects look_for_the_commit();
  GangEffects after_the_end(std::uint32_t rank, const handover::Message& message);
  void propose();
  void hear(HeardOfRank& heard, const RankStatus& status) const;
  [[nodiscard]] bool is_ready(std::uint32_t rank) const;
  [[nodiscard]] bool all_of(Part part, auto what) const;
  [[nodiscard]] bool is_clean() const;

  std::uint64_t margin_;
  std::span<const GangRule> rules_;
  GangRecord record_;
  std::vector<HeardOfRank> heard_;
};

}  // namespace cardswap::gang
