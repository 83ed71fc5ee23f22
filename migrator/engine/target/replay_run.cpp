#include "migrator/engine/target/replay_run.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "migrator/base/ms_since.h"
#include "migrator/core/factor.h"
#include "migrator/device/device.h"

namespace cardswap {

namespace {

/// Multiplies gradients that were sent early by their factors. Throws unless the result is what the
/// source's optimizer has read.
void apply_factors(const ReceivedUpdate& update) {
  for (const auto& gradient : update.gradients) {
    const auto& factor = gradient.factor;
    if (factor.kind == FactorKind::none) continue;
    if (gradient.memory.device == nullptr || !gradient.memory.device->is_host()) {
      throw Error(Code::bad_request, "a factor for a gradient that no processor here reaches");
    }
    multiply(factor.kind, gradient.memory.bytes, static_cast<float>(factor.value));
    if (digest_of(gradient.memory.bytes) != factor.product) {
      throw Error(Code::digest_mismatch,
                  fmt::format("a gradient of step {} is another one here after it was multiplied",
                              update.step),
                  "migrate with --strategy rounds or stop-copy");
    }
  }
}

}  // namespace

ReplayRun::ReplayRun(TargetProgram& program, ReceivedUpdate update, std::function<void()> wake)
    : update_(std::move(update)), thread_([this, &program, wake = std::move(wake)] {
        const auto start = std::chrono::steady_clock::now();
        try {
          apply_factors(update_);
          program.replay(update_);
        } catch (...) {
          failure_ = std::current_exception();
        }
        ms_ = ms_since(start);
        done_ = true;
        wake();
      }) {}

void ReplayRun::rethrow_failure() const {
  if (!failure_) return;
  try {
    std::rethrow_exception(failure_);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(Code::internal,
                fmt::format("replaying step {} failed: {}", update_.step, error.what()),
                "migrate with --strategy rounds or stop-copy");
  }
}

}  // namespace cardswap
