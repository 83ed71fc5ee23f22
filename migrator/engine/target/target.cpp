#include "migrator/engine/target/target.h"

#include <stop_token>
#include <utility>

#include "migrator/base/guest_thread.h"
#include "migrator/engine/target/connection_from_source.h"

namespace cardswap {

class Target::Impl {
 public:
  Impl(TargetOptions options, TargetProgram& program, TargetCallbacks callbacks)
      : options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        connection_(options_, program, callbacks_),
        thread_([this](const std::stop_token& stop) { connection_.run(stop); }) {}

  ~Impl() {
    thread_.request_stop();
    connection_.wake();
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const { return connection_.port(); }
  void rehearsed(std::vector<std::byte> values) { connection_.rehearsed(std::move(values)); }

 private:
  const TargetOptions options_;
  const TargetCallbacks callbacks_;
  ConnectionFromSource connection_;
  GuestThread thread_;
};

Target::Target(TargetOptions options, TargetProgram& program, TargetCallbacks callbacks)
    : impl_(std::make_unique<Impl>(std::move(options), program, std::move(callbacks))) {}

Target::~Target() = default;

std::uint16_t Target::port() const { return impl_->port(); }
void Target::rehearsed(std::vector<std::byte> values) { impl_->rehearsed(std::move(values)); }

}  // namespace cardswap
