#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/gang/asked_ranks.h"
#include "agent/gang/gang_client.h"
#include "agent/gang/gang_record.h"
#include "agent/gang/gang_task.h"
#include "agent/gang/rank_facts.h"
#include "agent/gang/rendezvous/tcp_store.h"
#include "agent/handover/base/handover_context.h"
#include "agent/handover/source/migration_request.h"
#include "agent/handover/source/migrations.h"

namespace cardswap::gang {

/// How many steps after the furthest rank's a step is proposed, so that each gate hears of it in
/// time: two, and more where steps are short. Pure.
[[nodiscard]] std::uint64_t margin_for(double median_step_ms);

/// A request whose job is known: which ranks move, and who conducts that.
struct AskedMove {
  MigrationRequest wanted;          ///< its job and its destinations are those below, as texts
  AskedRanks ranks;                 ///< in ascending order
  AskedPlaces places;               ///< located; devices are in the order of the ranks
  std::vector<std::string> agents;  ///< HOST:PORT of the agent of each rank of the job
  std::string conductor;  ///< HOST:PORT: of the lowest rank that stays; of the lowest, if none does
};

/// A move that is ready to begin.
struct PreparedMove {
  GangRecord record;
  GangPlan plan;
  std::shared_ptr<TcpStore> rendezvous;  ///< shared with its coroutines
};

/// Makes the first record of the move of ranks from a request, or says why they cannot move. It
/// asks the agents of all ranks, and begins nothing. One thread; it must outlive its coroutines.
class MoveFactory {
 public:
  /// All references must outlive it.
  MoveFactory(const HandoverContext& context, GangClient& client, Migrations& migrations)
      : context_(context), client_(client), migrations_(migrations) {}

  /// Finds out, at any agent that has a rank of the job, what `wanted` asks for. Throws
  /// Error{bad_request, not_found, conflict, refused}, and what a call to an agent throws.
  asio::awaitable<AskedMove> identify(MigrationRequest wanted);
  /// Whether this agent conducts it.
  [[nodiscard]] bool is_conducted_here(const AskedMove& asked) const;
  /// Makes it ready, at its conductor. `epochs_tried`: the highest epoch that a move of ranks of
  /// that job was to lead to, or 0, as far as this agent knows; those of the ranks tell what they
  /// know. Throws as identify() does.
  asio::awaitable<PreparedMove> prepare(AskedMove asked, Epoch epochs_tried);
  /// The store at which the ranks of that gang meet, on a port of this host; 0: any. Throws
  /// Error{io}, and what a name throws that cannot be resolved.
  asio::awaitable<std::shared_ptr<TcpStore>> open_store(GangRecord record, std::uint16_t port);

 private:
  asio::awaitable<std::vector<RankFacts>> ask_all(std::string job, std::vector<std::string> agents,
                                                  std::vector<std::uint32_t> leavers);
  asio::awaitable<std::vector<std::uint32_t>> ranks_at(std::string job, std::string host,
                                                       std::vector<std::string> agents);
  asio::awaitable<AskedPlaces> located(AskedPlaces asked);
  /// The device of each rank; chooses them where hosts are named.
  asio::awaitable<std::vector<std::string>> devices_for(AskedMove asked,
                                                        std::vector<RankFacts> facts);
  asio::awaitable<std::vector<std::string>> agents_of(std::string job);
  [[nodiscard]] std::vector<std::string> known_agents(const std::string& job) const;

  const HandoverContext& context_;
  GangClient& client_;
  Migrations& migrations_;
};

}  // namespace cardswap::gang
