#pragma once

#include <span>
#include <vector>

#include "agent/gang/protocol/gang_protocol.h"

namespace cardswap::gang {

/// One rank of the job in the conductor's record.
struct GangRank {
  Part part = Part::stays;
  Content content{};  ///< of a rank that leaves: what was committed; set from `committed` on
  bool operator==(const GangRank&) const = default;
};

/// The part of a gang's record that the conductor's protocol owns.
struct GangDurable {
  GangState state = GangState::planned;
  Epoch epoch = 0;         ///< the epoch that the newcomers are granted
  Epoch own_epoch = 0;     ///< the epoch under which the job goes on if the gang is given up
  std::uint64_t step = 0;  ///< the step that is proposed or agreed
  /// Whether an operator took the job back, and not every newcomer has yet confirmed that no
  /// process steps there.
  bool notice_pending = false;
  std::vector<GangRank> ranks;  ///< by rank
  bool operator==(const GangDurable&) const = default;
};

/// The reports on a rank and its newcomer; forgotten at a restart. Of late and repeated reports the
/// furthest counts.
struct HeardOfRank {
  RankState state = RankState::training;
  std::uint64_t step = 0;
  Content content{};
  handover::TargetState newcomer = handover::TargetState::nothing;
  Content newcomer_content{};
  /// Whether the rank's agent has reported since the end that nothing of the gang is left there.
  bool is_clear = false;
  bool newcomer_is_clear = false;  ///< whether its newcomer's agent has reported the same
  bool operator==(const HeardOfRank&) const = default;
};

/// The agent that conducts a gang: it coordinates and owns the one decision over all ranks of a
/// job.
///
/// A value, like SourceSide, whose place it takes towards the newcomers' TargetSides. It commits
/// when all ranks are frozen at one step, each leaver equal to its newcomer, and each rank that
/// stays with the next communicator checked. Then the newcomers are granted. When all of them have
/// that on disk, the ranks that stay go, and from there nothing is taken back. Before that no rank
/// has stepped under the next epoch: the gang can go back as a whole once the newcomers are proven
/// to have ended. Where all ranks leave, the last newcomer stands for the ranks that stay: it is
/// granted by the go.
///
/// on() ignores a message about a rank that the job does not have, or under another epoch; in any
/// other call `rank` is one of the record's.
class GangSide {
 public:
  /// `margin`: how many steps after the furthest rank's a step is proposed. `heard` has one entry a
  /// rank, or is empty.
  explicit GangSide(GangDurable record, std::vector<HeardOfRank> heard = {},
                    std::uint64_t margin = 2, std::span<const GangRule> rules = kGangRules);

  [[nodiscard]] const GangDurable& durable() const { return record_; }
  [[nodiscard]] const std::vector<HeardOfRank>& heard() const { return heard_; }
  [[nodiscard]] GangState state() const { return record_.state; }

  /// Handles an event: a step of the move, a failure, a newcomer's silence or an operator's
  /// decision.
  GangEffects on(GangEvent event);
  /// Handles a report of a rank's agent.
  GangEffects on(std::uint32_t rank, const RankStatus& status);
  /// Handles a message of the agent of a rank's newcomer.
  GangEffects on(std::uint32_t rank, const handover::Message& message);
  /// The effects of time passing without an answer of a rank's agent: the order that fits the state
  /// is sent again.
  [[nodiscard]] GangEffects tick(std::uint32_t rank) const;
  /// The effects of time passing without an answer of a newcomer's agent: the message that fits the
  /// state is sent again.
  [[nodiscard]] GangEffects tick_newcomer(std::uint32_t rank) const;
  /// Goes on from a record that a former agent left; call it once, before any other event.
  GangEffects after_restart();

  /// Goes on by these rules from here; they must outlive it.
  void follow(std::span<const GangRule> rules) { rules_ = rules; }

  /// The order that a rank is to have obeyed by now.
  [[nodiscard]] Order::Kind due_order(std::uint32_t rank) const;
  /// The order of that kind, as it is sent.
  [[nodiscard]] Order order(Order::Kind kind) const;
  /// The message of that kind to the newcomer of a rank, as it is sent.
  [[nodiscard]] handover::Message message(std::uint32_t rank, handover::Message::Kind kind) const;
  /// What the conductor has decided so far, for all but a newcomer that the go has yet to grant.
  /// `reclaiming` counts as aborted.
  [[nodiscard]] handover::Decision decision() const;
  /// Whether `effect`, an order or a message, is for this rank or its newcomer.
  [[nodiscard]] bool is_for(const GangEffect& effect, std::uint32_t rank) const;

 private:
  GangEffects advance();
  GangEffects advance_agreement();
  GangEffects advance_commit();
  GangEffects advance_committed();
  GangEffects after_the_end(std::uint32_t rank, const handover::Message& message);
  GangEffects not_there(std::uint32_t rank, const handover::Message& message);
  void propose();
  void hear(HeardOfRank& heard, const RankStatus& status) const;
  [[nodiscard]] bool is_open() const;
  [[nodiscard]] bool is_ready(std::uint32_t rank) const;
  /// Where no rank stays, whether this newcomer, the last one's, is granted by the go: until then
  /// no other newcomer can complete a step, and the gang can go back.
  [[nodiscard]] bool is_granted_by_the_go(std::uint32_t rank) const;
  [[nodiscard]] bool all_of(Part part, auto what) const;
  [[nodiscard]] bool all_newcomers(auto what) const;
  [[nodiscard]] bool is_clean() const;

  std::uint64_t margin_;
  std::span<const GangRule> rules_;
  GangDurable record_;
  std::vector<HeardOfRank> heard_;
};

}  // namespace cardswap::gang
