#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "migrator/core/error.h"
#include "migrator/core/layout.h"
#include "migrator/engine/update_queue.h"

namespace cardswap {

struct TargetOptions {
  std::string migration;
  std::string listen_host;  ///< numeric address
  std::string token;        ///< the source must present it; compared in constant time
  std::string transports;   ///< UCX_TLS; empty: as UCX chooses
  std::chrono::milliseconds silence_max{3000};
  std::string data_key;    ///< as SourceOptions has it; empty: nothing is sealed
  std::string peers = {};  ///< addresses of the source, a blank between; empty: any
  std::vector<std::shared_ptr<Device>> devices = {};  ///< that the program's memory is on
};

/// What the parked standby is to the target engine. Called on the engine's thread while the
/// training thread is parked; must outlive the Target.
class TargetProgram {
 public:
  virtual ~TargetProgram() = default;
  /// Makes this program's tracked memory match `wanted` (optimizer state that only one side has is
  /// made or dropped) and returns it. Throws Error{layout_differs} naming what differs.
  virtual StateView adopt(const Layout& wanted) = 0;
  /// Loads the values, saves them again and returns that: equal bytes prove that they arrived.
  virtual std::vector<std::byte> apply_values(std::span<const std::byte> values) = 0;
  /// Where a parameter's gradients are to be for replay(); by the layout that was adopted last.
  virtual Device& device_of(ParameterId /*parameter*/) { return cpu_device(); }
  /// Does the source's optimizer step again, for the parameters whose gradients it has, and returns
  /// when that is done. Called on a thread of the engine's, never two at once, while chunks of
  /// other parameters may land.
  virtual void replay(const ReceivedUpdate& /*update*/) {
    throw Error(Code::bad_request, "this program cannot replay updates");
  }
};

struct VerifiedState {
  Digest root;
  std::uint64_t step = 0;
  std::int64_t last_step_end_ns = 0;  ///< the source's last step, on this process's steady_clock
  std::int64_t clock_error_ns = 0;
};

/// Called on the engine's thread; must not destroy the Target.
struct TargetEvents {
  std::function<void(const VerifiedState&)> verified;
  std::function<void(const Error&)> failed;  ///< once; includes a source that cancelled or is gone
};

/// The receiving end: listens, admits one source with the right token, receives chunks straight
/// into the program's memory, answers with digests of what it holds. Owns one thread. After
/// `verified` the memory is not written any more unless the source sends again (then `verified`
/// comes again).
class Target {
 public:
  /// Listens when it returns. Throws Error{io} when the address cannot be bound.
  Target(TargetOptions options, TargetProgram& program, TargetEvents events);
  ~Target();  ///< closes the link and joins
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  [[nodiscard]] std::uint16_t port() const;

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace cardswap
