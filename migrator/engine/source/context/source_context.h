#pragma once

#include <stop_token>

#include "migrator/engine/program.h"
#include "migrator/engine/source/context/downtime_forecast.h"
#include "migrator/engine/source/context/state_sender.h"
#include "migrator/engine/source/context/stats_reporter.h"
#include "migrator/engine/source/sending/connection_to_target.h"
#include "migrator/engine/source/sending/frozen_mailbox.h"
#include "migrator/engine/source/sending/payload_sender.h"

namespace cardswap {

/// The parts that the strategies of one migration share. The engine's thread, except freeze.put()
/// and connection.wake().
struct SourceContext {
  /// All references outlive this. `make_link` makes the link to the target.
  SourceContext(const SourceOptions& source_options, SourceProgram& source_program,
                const SourceCallbacks& source_callbacks, ConnectionToTarget::MakeLink make_link,
                std::stop_token stop);
  /// The link may read payloads until it is closed.
  ~SourceContext() { connection.close(); }
  SourceContext(const SourceContext&) = delete;
  SourceContext& operator=(const SourceContext&) = delete;

  /// Connects, agrees on the layout with the target, and measures the offset of the clocks. Throws
  /// as ConnectionToTarget::connect() and StateSender::introduce() do.
  void connect();
  /// Measures the link's rate by sending the first chunks of the state. Throws as
  /// StateSender::send_round().
  void probe_link();

  const SourceOptions& options;
  SourceProgram& program;
  const SourceCallbacks& callbacks;
  FrozenMailbox freeze;
  ConnectionToTarget connection;
  StatsReporter reporter;
  PayloadSender payloads;
  StateSender state;
  DowntimeForecast forecast;
};

}  // namespace cardswap
