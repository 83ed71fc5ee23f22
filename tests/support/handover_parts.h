#pragma once

#include <boost/asio/io_context.hpp>

#include "agent/handover/base/handover_context.h"
#include "agent/jobs/jobs.h"
#include "tests/support/temp_dir.h"

namespace cardswap::test {

/// The parts of an agent that both sides of a handover use, without jobs. Its io_context does not
/// run.
struct HandoverParts {
  HandoverParts() { config.data_dir = dir.path(); }

  const TempDir dir;
  asio::io_context io;
  TaskGroup tasks{io};
  Config config;
  Journal journal{dir.path() / "j.db"};
  EventSink events;
  Jobs jobs{tasks, config, journal, events};
  RuntimeHub hub{io, tasks, jobs.table(), {}};
  criu::MoveTools criu{io, config, journal};
  HandoverGate gate;
  const HandoverContext context{
      io,  tasks, config, journal, jobs.table(), jobs.processes(), jobs.devices(),
      hub, criu,  gate,   events};
};

}  // namespace cardswap::test
