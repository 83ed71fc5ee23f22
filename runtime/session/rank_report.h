#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "migrator/base/mutex.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// Which of the job's processes this one is, and where the agents of all of them are, as its own
/// agent is told it. Any thread. Messages that are returned are for the agent.
class RankReport {
 public:
  RankReport(std::uint32_t rank, std::uint32_t ranks) : place_{rank, ranks, {}} {}

  /// What it is said to be; nullopt: the agent knows it by Hello.
  [[nodiscard]] std::optional<channel::RankPlace> set(std::uint32_t rank, std::uint32_t ranks) {
    const MutexLock lock(mutex_);
    const bool same = place_.rank == rank && place_.ranks == ranks;
    place_ = {rank, ranks, {}};
    is_told_ = is_told_ || !same;
    return same ? std::nullopt : std::optional(place_);
  }
  [[nodiscard]] channel::RankPlace set_agents(std::vector<std::string> agents) {
    const MutexLock lock(mutex_);
    place_.agents = std::move(agents);
    is_told_ = true;
    return place_;
  }
  /// What was told, for an agent that may be a new one; nullopt: Hello says all.
  [[nodiscard]] std::optional<channel::RankPlace> again() {
    const MutexLock lock(mutex_);
    return is_told_ ? std::optional(place_) : std::nullopt;
  }
  void describe(channel::Hello& hello) {
    const MutexLock lock(mutex_);
    hello.rank = place_.rank;
    hello.ranks = place_.ranks;
  }

 private:
  Mutex mutex_;
  channel::RankPlace place_ CARDSWAP_GUARDED_BY(mutex_);
  bool is_told_ CARDSWAP_GUARDED_BY(mutex_) = false;  // by a RankPlace
};

}  // namespace cardswap
