#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cardswap {

/// The ranks of the epoch that a gang leads to, and where they meet.
struct NextRanks {
  std::uint64_t epoch = 0;           ///< that no attempt has had before
  std::string rendezvous;            ///< host and port
  std::uint32_t ranks = 0;           ///< how many there are
  std::vector<std::uint32_t> moved;  ///< those that leave their processes
};

/// A rank, and how many there are.
struct RankInGang {
  std::uint32_t rank = 0;
  std::uint32_t ranks = 0;
};

/// What the next communicators took here, in ms and without waits for other ranks; 0: not known.
struct CommunicatorTimes {
  double build_ms = 0;  ///< to connect them
  double try_ms = 0;    ///< to try them
};

/// The communicators by which the ranks of a job reduce, as the program has them.
///
/// A gang has the next ones built beside those in use, tried, and put in their place at one
/// boundary. Until exchange() the job has not changed. What a call throws is the reason for which
/// the gang is given up.
class Communicators {
 public:
  virtual ~Communicators() = default;

  // ---- the thread of GangWork
  /// Builds the next communicators together with the other ranks; may wait for them until
  /// GangWork::is_given_up() says so of the epoch.
  virtual void build(const NextRanks& next) = 0;
  /// Drops what build() has made and exchange() has not used. Called after each gang that was given
  /// up, also if nothing was built.
  virtual void roll_back() = 0;
  /// Closes what was used before exchange().
  virtual void close_old() = 0;

  // ---- the training thread, while it is parked
  /// Tries the next communicators together with the other ranks, and whether they can be put in.
  /// Waits as build() does.
  virtual void trip() = 0;
  /// Puts the next communicators in. If it throws, nothing has changed.
  virtual void exchange() = 0;
  /// What those took that exchange() has put in.
  [[nodiscard]] virtual CommunicatorTimes took() { return {}; }
};

}  // namespace cardswap
