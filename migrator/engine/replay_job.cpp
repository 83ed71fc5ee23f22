#include "migrator/engine/replay_job.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "migrator/core/ms_since.h"

namespace cardswap {

ReplayJob::ReplayJob(TargetProgram& program, ReceivedUpdate update, std::function<void()> wake)
    : update_(std::move(update)), thread_([this, &program, wake = std::move(wake)] {
        const auto start = std::chrono::steady_clock::now();
        try {
          program.replay(update_);
        } catch (...) {
          failure_ = std::current_exception();
        }
        ms_ = ms_since(start);
        done_ = true;
        wake();
      }) {}

void ReplayJob::rethrow_failure() const {
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
