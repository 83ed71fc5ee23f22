#include "migrator/engine/target/update_replayer.h"

namespace cardswap {

void UpdateReplayer::add(data::Update update, std::uint64_t state_bytes) {
  queue_.add(std::move(update), state_bytes, [this](ParameterId parameter, std::size_t bytes) {
    return program_.device_of(parameter).allocate(bytes);
  });
}

void UpdateReplayer::add(const data::EarlyGradient& gradient, std::uint64_t state_bytes) {
  queue_.add(gradient, state_bytes, [this](ParameterId parameter, std::size_t bytes) {
    return program_.device_of(parameter).allocate(bytes);
  });
}

void UpdateReplayer::begin(ReceivedUpdate update) {
  job_.emplace(program_, std::move(update), wake_);
}

UpdateReplayer::Done UpdateReplayer::finish() {
  job_->rethrow_failure();
  replayed_ = job_->update().number;
  const Done done{replayed_, job_->ms(), job_->update().audit};
  job_.reset();
  return done;
}

void UpdateReplayer::start_over() {
  queue_.clear();
  job_.reset();
  replayed_ = 0;
}

}  // namespace cardswap
