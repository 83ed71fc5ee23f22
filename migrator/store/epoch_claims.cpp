#include "migrator/store/epoch_claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/store/checked_json.h"
#include "migrator/store/json.h"
#include "migrator/store/names.h"
#include "migrator/store/refs.h"

namespace cardswap::store {
namespace {

constexpr std::uint64_t kClaimFormat = 1;
constexpr std::size_t kClaimValuesMax = 64;
constexpr std::size_t kEpochDigits = 20;

/// A claimed epoch of a run.
struct Claim {
  std::uint64_t epoch = 0;
  std::string name;  // of the object
};

/// Whose a claim is.
struct ClaimOwner {
  std::string run;
  std::string where;
};

/// The claimed epochs of the run, the lowest first.
std::vector<Claim> claims_of(Store& store, const std::string& job, const std::string& run) {
  const auto any = claimed_epoch_name(job, run, 0);
  const auto prefix = any.substr(0, any.rfind('/') + 1);
  std::vector<Claim> claims;
  for (auto& name : list_all(store, prefix)) {
    const auto part = std::string_view(name).substr(prefix.size());
    std::uint64_t epoch = 0;
    if (part.size() <= kEpochDigits || part.substr(kEpochDigits) != "-" + run) continue;
    const auto* last = part.data() + kEpochDigits;
    const auto [end, error] = std::from_chars(part.data(), last, epoch);
    if (error == std::errc{} && end == last) claims.push_back({epoch, std::move(name)});
  }
  return claims;
}

ClaimOwner owner_of(Store& store, const std::string& name, const std::string& run) {
  try {
    const auto json = read_canonical(get(store, name, kRefBytesMax), kClaimValuesMax);
    expect_checked(json);
    return {json.at("by").text(), json.at("where").text()};
  } catch (const Error& error) {
    if (is_store_failure(error.code())) throw;
    return {run, {}};
  }
}

/// False: somebody has that one already.
bool put_claim(Store& store, const EpochClaimant& claimant, const std::string& run,
               std::uint64_t epoch) {
  const auto name = claimed_epoch_name(claimant.job, run, epoch);
  const auto bytes = checked_bytes(JsonObject{{"by", claimant.run},
                                              {"epoch", epoch},
                                              {"format", kClaimFormat},
                                              {"job", claimant.job},
                                              {"run", run},
                                              {"where", claimant.where}});
  return store.put_new(name, bytes) == PutResult::created;
}

[[noreturn]] void refuse(const EpochClaimant& claimant, const ClaimOwner& owner,
                         std::uint64_t epoch) {
  const auto at = owner.where.empty() ? std::string() : fmt::format(", on {}", owner.where);
  const auto why =
      owner.run == claimant.run
          ? fmt::format("epoch {} of it is claimed in the store{}, and this copy has epoch {}",
                        epoch, at, claimant.epoch)
          : fmt::format("another run of it went on from a snapshot of this one{}", at);
  throw Error(Code::conflict,
              fmt::format("another copy of job {} may be alive: {}", claimant.job, why),
              fmt::format("stop the copy that is not wanted, `cardswap jobs {}` on each host shows "
                          "them; to keep this one, protect it in another store, or roll it back "
                          "to its newest snapshot",
                          claimant.job));
}

}  // namespace

void claim_epoch(Store& store, const EpochClaimant& claimant) {
  if (claimant.run.empty()) return;
  while (true) {
    const auto claims = claims_of(store, claimant.job, claimant.run);
    if (!claims.empty()) {
      const auto& highest = claims.back();
      const auto owner = owner_of(store, highest.name, claimant.run);
      if (owner.run != claimant.run || highest.epoch > claimant.epoch) {
        refuse(claimant, owner, highest.epoch);
      }
      if (highest.epoch == claimant.epoch) return;
    }
    if (put_claim(store, claimant, claimant.run, claimant.epoch)) return;
  }
}

void take_over_run(Store& store, const EpochClaimant& claimant, const std::string& from,
                   std::uint64_t snapshot_epoch) {
  if (claimant.run.empty()) return;
  std::set<std::string> done{"", claimant.run};
  std::vector<std::string> open{from};
  while (!open.empty()) {
    const auto run = open.back();
    open.pop_back();
    if (!done.insert(run).second) continue;
    auto claims = claims_of(store, claimant.job, run);
    const bool is_own =
        !claims.empty() && owner_of(store, claims.back().name, run).run == claimant.run;
    if (!is_own) {
      auto next = snapshot_epoch + 1;
      if (!claims.empty()) next = std::max(next, claims.back().epoch + 1);
      while (!put_claim(store, claimant, run, next)) ++next;
      claims = claims_of(store, claimant.job, run);
      if (claims.empty() || claims.back().epoch > next) {
        throw Error(Code::conflict,
                    fmt::format("job {} is restored from that run by another at the same moment",
                                claimant.job),
                    "look which of them runs, then try again");
      }
    }
    for (const auto& claim : claims) open.push_back(owner_of(store, claim.name, run).run);
  }
}

std::string claimed_epoch_name(const std::string& job, const std::string& run,
                               std::uint64_t epoch) {
  if (!is_label(job) || !is_label(run)) {
    throw Error(Code::bad_request, fmt::format("'{}' of '{}' has no claims in a store", run, job));
  }
  return fmt::format("{}{}/{:020}-{}", kClaimedEpochs, job, epoch, run);
}

}  // namespace cardswap::store
