#pragma once

#include <stop_token>

#include "migrator/engine/program.h"
#include "migrator/engine/source/downtime_forecast.h"
#include "migrator/engine/source/freeze_request.h"
#include "migrator/engine/source/payload_sender.h"
#include "migrator/engine/source/peer_connection.h"
#include "migrator/engine/source/state_sender.h"
#include "migrator/engine/source/stats_reporter.h"

namespace cardswap {

/// What the strategies of one migration share, made and taken apart in this order. The engine's
/// thread, but for freeze.put() and connection.wake().
struct SourceContext {
  /// All outlive this. `make_link`: how it reaches the target.
  SourceContext(const SourceOptions& source_options, SourceProgram& source_program,
                const SourceCallbacks& source_callbacks, PeerConnection::MakeLink make_link,
                std::stop_token stop);
  /// The link may read payloads until it is closed.
  ~SourceContext() { connection.close(); }
  SourceContext(const SourceContext&) = delete;
  SourceContext& operator=(const SourceContext&) = delete;

  /// Connects, agrees on the layout, and finds out how far the clocks are apart.
  void connect();
  /// Measures the link with the state's first chunks, until enough went over to tell.
  void probe_link();

  const SourceOptions& options;
  SourceProgram& program;
  const SourceCallbacks& callbacks;
  FreezeRequest freeze;
  PeerConnection connection;
  StatsReporter reporter;
  PayloadSender payloads;
  StateSender state;
  DowntimeForecast forecast;
};

}  // namespace cardswap
