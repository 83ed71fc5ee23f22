#include "migrator/engine/source/context/source_context.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "migrator/base/ms_since.h"
#include "migrator/device/device.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kProbeFirst = 2U << 20U;
constexpr std::chrono::milliseconds kProbeEnough{40};

}  // namespace

SourceContext::SourceContext(const SourceOptions& source_options, SourceProgram& source_program,
                             const SourceCallbacks& source_callbacks,
                             ConnectionToTarget::MakeLink make_link, std::stop_token stop)
    : options(source_options),
      program(source_program),
      callbacks(source_callbacks),
      connection(options, std::move(make_link), std::move(stop)),
      reporter(program, callbacks, [this] { return payloads.link_stats(); }),
      payloads(options, connection, freeze),
      state(options, program, connection, payloads, freeze, reporter),
      forecast(
          options, program, callbacks, reporter, [this] { return payloads.link_stats(); },
          [this] { return state.digest_rate(); }) {}

void SourceContext::connect() {
  const auto start = Clock::now();
  reporter.enter(MigrationPhase::connect);
  state.take_first_view();
  const auto& devices = state.view().devices;
  enter(devices);  // before a link looks for them
  connection.connect();
  auto gpu_path = GpuPath::none;
  if (std::ranges::any_of(devices, [](const auto& device) { return !device->is_host(); })) {
    gpu_path = connection.direct_bytes_min(MemoryKind::cuda) ? GpuPath::direct : GpuPath::staged;
  }
  state.introduce();
  connection.measure_clocks();
  reporter.note_connected(ms_since(start), gpu_path);
}

void SourceContext::probe_link() {
  reporter.enter(MigrationPhase::probe);
  const auto& chunks = state.chunks();
  std::size_t next = 0;
  double best = 0;
  for (std::uint64_t bytes = kProbeFirst; next < chunks.size() && !freeze.has_arrived();
       bytes *= 4) {
    std::vector<ChunkId> some;
    for (std::uint64_t sum = 0; next < chunks.size() && sum < bytes; ++next) {
      some.push_back(static_cast<ChunkId>(next));
      sum += chunks.spans()[next].bytes;
    }
    const auto start = Clock::now();
    const auto sent_before = payloads.link_stats().sent;
    state.send_round(some, false);
    const auto took = Clock::now() - start;
    // The best: a link is never faster than it is, and training slows its sender down now and then.
    best = std::max(best, static_cast<double>(payloads.link_stats().sent - sent_before) /
                              std::chrono::duration<double>(took).count());
    if (took >= kProbeEnough) break;
  }
  payloads.take_measured_rate(best);
}

}  // namespace cardswap
