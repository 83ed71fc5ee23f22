#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include "agent/base/config.h"
#include "agent/criu/callbacks.h"
#include "agent/criu/cuda_state.h"
#include "agent/criu/tool.h"

namespace cardswap::criu {

/// What this host has for moving processes. Owned by the agent; one thread.
class Host {
 public:
  Host(boost::asio::io_context& context, const Config& config, Journal& journal)
      : config_(config), cuda_(context, config, journal), callbacks_(cuda_.callbacks()) {}

  /// Steps around CRIU for state that it does not know; all of them after look().
  [[nodiscard]] const Callbacks& callbacks() const { return callbacks_; }
  [[nodiscard]] CudaState& cuda() { return cuda_; }
  [[nodiscard]] const CudaState& cuda() const { return cuda_; }

  /// Looks for CRIU and the GPUs' driver, once; returns when that is done, whoever began it.
  boost::asio::awaitable<void> probe();
  [[nodiscard]] const Tool& tool() const { return tool_; }

 private:
  boost::asio::awaitable<void> find();

  const Config& config_;
  CudaState cuda_;
  Callbacks callbacks_;
  Tool tool_{"", "", "not looked for yet"};
  bool probing_ = false;
  bool probed_ = false;
};

/// What `GET /v1/devices` says of it, after look().
[[nodiscard]] boost::json::object to_json(const Host& host);

}  // namespace cardswap::criu
