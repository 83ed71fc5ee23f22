#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/gang/gang_client.h"
#include "agent/gang/gang_record.h"
#include "agent/gang/gang_task.h"
#include "agent/gang/rank_facts.h"
#include "agent/gang/rendezvous/tcp_store.h"
#include "agent/handover/base/handover_context.h"
#include "agent/handover/source/migration_request.h"
#include "agent/handover/source/migrations.h"

namespace cardswap::gang {

/// A rank of a job, as operators write it: "JOB/RANK".
struct NamedRank {
  std::string job;
  std::uint32_t rank = 0;
};
/// Reads it. Throws Error{bad_request}.
[[nodiscard]] NamedRank named_rank(const std::string& text);

/// How many steps after the furthest rank's a step is proposed, so that each gate hears of it in
/// time: two, and more where steps are short. Pure.
[[nodiscard]] std::uint64_t margin_for(double median_step_ms);

/// A move that is ready to begin.
struct PreparedMove {
  GangRecord record;
  GangPlan plan;
  std::shared_ptr<TcpStore> rendezvous;  ///< shared with its coroutines
};

/// Makes the first record of the move of a rank from a request, or says why the rank cannot move.
/// It asks the agents of all ranks, and begins nothing. One thread; it must outlive its coroutines.
class MoveFactory {
 public:
  /// All references must outlive it.
  MoveFactory(const HandoverContext& context, GangClient& client, Migrations& migrations)
      : context_(context), client_(client), migrations_(migrations) {}

  /// `epochs_tried`: the highest epoch that a move of a rank of that job was to lead to, or 0, as
  /// far as this agent knows; the agents of the ranks tell what they know.
  /// Throws Error{bad_request, not_found, conflict, refused}, and what a call to an agent throws.
  asio::awaitable<PreparedMove> prepare(MigrationRequest wanted, Epoch epochs_tried);
  /// The store at which the ranks of that gang meet, on a port of this host; 0: any. Throws
  /// Error{io}, and what a name throws that cannot be resolved.
  asio::awaitable<std::shared_ptr<TcpStore>> open_store(GangRecord record, std::uint16_t port);

 private:
  asio::awaitable<std::vector<RankFacts>> ask_all(NamedRank leaver,
                                                  std::vector<std::string> agents);
  [[nodiscard]] std::vector<std::string> agents_of(const NamedRank& leaver) const;

  const HandoverContext& context_;
  GangClient& client_;
  Migrations& migrations_;
};

}  // namespace cardswap::gang
