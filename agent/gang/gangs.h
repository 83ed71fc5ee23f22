#pragma once

#include <cstdint>
#include <string>

#include "agent/gang/protocol/gang_protocol.h"
#include "agent/security/access.h"

namespace cardswap::gang {

/// The gangs in which this agent takes part, as other agents reach them. Each call throws
/// Error{not_found} for a gang or a rank that is not here, Error{unauthorized} for a caller who may
/// not say or ask that, and Error{io, corrupt} if the disk refuses what the call needs. One thread.
class Gangs {
 public:
  virtual ~Gangs() = default;
  /// Handles an order to a rank whose agent this is; returns what it is answered.
  [[nodiscard]] virtual RankStatus obey(const std::string& gang, std::uint32_t rank,
                                        const Order& order, const Caller& caller) = 0;
  /// The order that a rank is to have obeyed by now, of a gang that this agent conducts. Throws
  /// Error{refused} for another epoch than the gang's.
  [[nodiscard]] virtual Order decision(const std::string& gang, std::uint32_t rank, Epoch epoch,
                                       const Caller& caller) = 0;
};

}  // namespace cardswap::gang
