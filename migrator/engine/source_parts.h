#pragma once

#include <stop_token>

#include "migrator/engine/figures.h"
#include "migrator/engine/freeze_request.h"
#include "migrator/engine/payload_sender.h"
#include "migrator/engine/peer_connection.h"
#include "migrator/engine/program.h"
#include "migrator/engine/state_sender.h"

namespace cardswap {

/// What the strategies of one migration share, made and taken apart in this order. The engine's
/// thread, but for freeze.put() and connection.wake().
struct SourceParts {
  /// All outlive this.
  SourceParts(const SourceOptions& its_options, SourceProgram& its_program,
              const SourceEvents& its_events, std::stop_token stop);
  /// The link may read payloads until it is closed.
  ~SourceParts() { connection.close(); }
  SourceParts(const SourceParts&) = delete;
  SourceParts& operator=(const SourceParts&) = delete;

  /// Connects, agrees on the layout, and finds out how far the clocks are apart.
  void connect();
  /// Measures the link with the state's first chunks, until enough went over to tell.
  void probe_link();

  const SourceOptions& options;
  SourceProgram& program;
  const SourceEvents& events;
  FreezeRequest freeze;
  PeerConnection connection;
  Figures figures;
  PayloadSender payloads;
  StateSender state;
};

}  // namespace cardswap
