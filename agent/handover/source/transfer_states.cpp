#include "agent/handover/source/transfer_states.h"

namespace cardswap {

std::string_view to_string(SourceProgress copy) {
  using enum SourceProgress;
  switch (copy) {
    case training: return "training";
    case converged: return "converged";
    case frozen: return "frozen";
    case verified: return "verified";
    case departed: return "departed";
    case released: return "released";
  }
  return {};
}

std::string_view to_string(ReservationProgress progress) {
  using enum ReservationProgress;
  switch (progress) {
    case unasked: return "unasked";
    case asked: return "asked";
    case accepted: return "accepted";
    case grant_answered: return "grant_answered";
    case dropped: return "dropped";
  }
  return {};
}

std::string_view to_string(Continuation continuation) {
  using enum Continuation;
  switch (continuation) {
    case none: return "none";
    case under_way: return "under way";
    case gpus_back: return "GPUs back";
  }
  return {};
}

}  // namespace cardswap
