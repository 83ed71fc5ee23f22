#include "migrator/store/keep_rule.h"

#include <algorithm>
#include <map>
#include <set>

namespace cardswap::store {
namespace {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 24 * kHour;
constexpr int kVerifiedAbove = 2;

/// What was seen of a branch so far, beginning at its newest snapshot.
struct BranchTally {
  std::uint32_t seen = 0;
  int verified = 0;
  std::set<std::int64_t> hours;
  std::set<std::int64_t> days;
};

/// Whether the snapshot is the first one seen of its hour or day, and the rule keeps one more of
/// these.
bool is_first_of(std::set<std::int64_t>& spans, std::int64_t span, std::uint32_t most) {
  return spans.size() < most && spans.insert(span).second;
}

}  // namespace

std::vector<std::uint64_t> surplus_of(std::span<const SnapshotCandidate> snapshots,
                                      const KeepRule& rule) {
  std::vector<const SnapshotCandidate*> newest_first;
  for (const auto& snapshot : snapshots) newest_first.push_back(&snapshot);
  std::ranges::sort(newest_first, std::ranges::greater(), &SnapshotCandidate::number);
  std::map<std::string_view, BranchTally> branches;
  std::vector<std::uint64_t> surplus;
  for (const auto* snapshot : newest_first) {
    auto& branch = branches[snapshot->branch];
    const bool by_hour = is_first_of(branch.hours, snapshot->at_s / kHour, rule.hourly);
    const bool by_day = is_first_of(branch.days, snapshot->at_s / kDay, rule.daily);
    const bool kept = branch.seen++ < rule.last || by_hour || by_day || snapshot->pinned ||
                      branch.verified < kVerifiedAbove;
    if (!kept) surplus.push_back(snapshot->number);
    if (snapshot->verified) ++branch.verified;
  }
  std::ranges::reverse(surplus);
  return surplus;
}

}  // namespace cardswap::store
