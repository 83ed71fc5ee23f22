#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include "agent/base/config.h"
#include "agent/criu/criu_program.h"
#include "agent/criu/cuda_state.h"
#include "agent/criu/driver_state_callbacks.h"

namespace cardswap::criu {

/// The tools of this host for moving processes: CRIU and the GPU driver. Owned by the agent; one
/// thread.
class MoveTools {
 public:
  /// All references must outlive it. Throws what CudaState throws.
  MoveTools(boost::asio::io_context& context, const Config& config, Journal& journal)
      : config_(config), cuda_(context, config, journal), callbacks_(cuda_.callbacks()) {}

  /// The functions around CRIU for state that it does not know; complete after probe().
  [[nodiscard]] const DriverStateCallbacks& callbacks() const { return callbacks_; }
  [[nodiscard]] CudaState& cuda() { return cuda_; }
  [[nodiscard]] const CudaState& cuda() const { return cuda_; }

  /// Searches for CRIU and opens the GPU driver, once. Later calls return at once, or when the
  /// first one is done. What is missing is no exception: see tool() and CudaState::problem().
  boost::asio::awaitable<void> probe();
  /// This host's CRIU; not usable before probe().
  [[nodiscard]] const CriuProgram& tool() const { return tool_; }

 private:
  boost::asio::awaitable<void> find();

  const Config& config_;
  CudaState cuda_;
  DriverStateCallbacks callbacks_;
  CriuProgram tool_{"", "", "not looked for yet"};
  bool probing_ = false;
  bool probed_ = false;
};

/// The host's tools in the answer of `GET /v1/devices`; complete after probe().
[[nodiscard]] boost::json::object to_json(const MoveTools& tools);

}  // namespace cardswap::criu
