#include "agent/handover/source/transfer_states.h"

namespace cardswap {
namespace {

constexpr std::array<std::string_view, kCountOf<CopyOnSource>> kCopies{
    "training", "converged", "frozen", "verified", "departed", "released"};
constexpr std::array<std::string_view, kCountOf<PlaceAtTarget>> kPlaces{
    "unasked", "asked", "accepted", "granted", "dropped"};
constexpr std::array<std::string_view, kCountOf<TargetLine>> kLines{"answers", "silent"};
constexpr std::array<std::string_view, kCountOf<PollMode>> kPollModes{"state", "news"};
constexpr std::array<std::string_view, kCountOf<Continuation>> kContinuations{"none", "under way",
                                                                              "GPUs back"};

}  // namespace

std::string_view to_string(CopyOnSource copy) { return kCopies.at(static_cast<std::size_t>(copy)); }
std::string_view to_string(PlaceAtTarget place) {
  return kPlaces.at(static_cast<std::size_t>(place));
}
std::string_view to_string(TargetLine line) { return kLines.at(static_cast<std::size_t>(line)); }
std::string_view to_string(PollMode mode) { return kPollModes.at(static_cast<std::size_t>(mode)); }
std::string_view to_string(Continuation continuation) {
  return kContinuations.at(static_cast<std::size_t>(continuation));
}

}  // namespace cardswap
