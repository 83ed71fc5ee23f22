#include "runtime/holder/receive.h"

#include <fmt/format.h>
#include <poll.h>

#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "migrator/base/environment.h"
#include "migrator/base/error.h"
#include "migrator/base/mutex.h"
#include "migrator/base/token.h"
#include "migrator/engine/target/target.h"
#include "migrator/wire/framework_names.h"
#include "runtime/agent_channel.h"
#include "runtime/holder/held_memory.h"
#include "runtime/memory_socket.h"
#include "runtime/passed_arena.h"
#include "runtime/process_hello.h"
#include "runtime/target_options.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLookEvery{200};
constexpr std::chrono::seconds kTakerAnswerMax{30};

/// The engine calls it through TargetProgram, on the threads that TargetProgram documents; the
/// channel's thread calls hello(), the main thread the rest. The channel and the engine are
/// declared last, because their threads must end first.
class Receiver final : private TargetProgram {
 public:
  Receiver(const std::string& path, OpenGpu open_gpu)
      : token_(environment::value_of(environment::kToken)),
        job_(environment::value_of(environment::kJob)),
        memory_(std::move(open_gpu)),
        listener_(path),
        channel_(environment::value_of(environment::kSocket),
                 {[this] { return hello(); }, {}, {}}) {
    const auto& welcome = channel_.welcome();
    if (welcome.granted) throw Error(Code::refused, "a holder was taken for the job itself");
    auto options = target_options(welcome);
    const auto host = options.listen_host;
    TargetCallbacks callbacks;
    callbacks.verified = [this](const VerifiedState& state) { verified(state); };
    callbacks.failed = [this](const Error& error) { failed(error); };
    channel_.start();
    target_ = std::make_unique<Target>(std::move(options), static_cast<TargetProgram&>(*this),
                                       std::move(callbacks));
    channel_.send(channel::Parked{host, target_->port(), 0});
  }

  int run() {
    while (true) {
      if (is_over()) target_.reset();
      pollfd waiting{listener_.fd(), POLLIN, 0};
      ::poll(&waiting, 1, static_cast<int>(kLookEvery.count()));
      auto connection = listener_.accept();
      if (!connection) continue;
      try {
        if (give_memory(*connection)) return 0;
      } catch (...) {  // whatever it is, the holder goes on: only it has the memory once the source
                       // ended
        memory_transfer::refuse(*connection, error_of(std::current_exception()));
      }
    }
  }

 private:
  StateView adopt(const Layout& wanted) override { return memory_.adopt(wanted); }
  /// Values travel in the process: what was received is returned as it is.
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override {
    return {values.begin(), values.end()};
  }

  channel::Hello hello() {
    return hello_of_process(job_, token_, channel::Role::standby, std::string(channel::kHolder));
  }

  void verified(const VerifiedState& state) {
    {
      const MutexLock lock(mutex_);
      verified_ = state;
    }
    channel_.send(
        channel::Verified{channel_.welcome().migration, state.step, state.state_digest, {}});
  }

  void failed(const Error& error) {
    {
      const MutexLock lock(mutex_);
      over_ = true;
      // The source ends its link when its process is about to be dumped.
      if (verified_) return;
    }
    channel_.send(
        channel::Failed{channel_.welcome().migration, error.code(), error.failure(), error.hint()});
  }

  bool is_over() {
    const MutexLock lock(mutex_);
    return over_;
  }

  std::optional<VerifiedState> state() {
    const MutexLock lock(mutex_);
    return verified_;
  }

  /// True: the restored process has the memory now.
  bool give_memory(memory_transfer::Connection& connection) {
    const auto uid = connection.peer().uid;
    if (uid != ::geteuid() && uid != 0) {
      throw Error(Code::unauthorized, fmt::format("user {} may not have this memory", uid));
    }
    const auto asked = connection.receive(Clock::now() + kTakerAnswerMax);
    const auto* fetch = asked ? std::get_if<memory_transfer::Fetch>(&asked->message) : nullptr;
    if (fetch == nullptr) throw Error(Code::bad_request, "a holder gives memory, nothing else");
    if (!is_same_token(fetch->token, token_) || fetch->migration != channel_.welcome().migration) {
      throw Error(Code::unauthorized, "not the token of the job whose memory this is");
    }
    const auto state = this->state();
    if (!state) throw Error(Code::refused, "the memory is not whole yet");
    target_.reset();  // no thread writes to the memory from here on
    const auto arenas = memory_.passed();
    connection.send(
        memory_transfer::Memory{memory_transfer::outlines_of(arenas), state->state_digest,
                                state->step, state->last_step_end_ns, state->clock_error_ns,
                                Clock::now().time_since_epoch().count()},
        memory_transfer::files_of(arenas));
    const auto answer = connection.receive(Clock::now() + kTakerAnswerMax);
    return answer && std::holds_alternative<memory_transfer::Done>(answer->message);
  }

  const std::string token_;
  const std::string job_;
  HeldMemory memory_;  // adopt()'s thread, one at a time; the main thread's without an engine
  Mutex mutex_;
  std::optional<VerifiedState> verified_ CARDSWAP_GUARDED_BY(mutex_);
  bool over_ CARDSWAP_GUARDED_BY(mutex_) = false;
  memory_transfer::Listener listener_;
  AgentChannel channel_;
  std::unique_ptr<Target> target_;
};

}  // namespace

int receive_and_hand_over(const std::string& path, OpenGpu open_gpu) {
  return Receiver(path, std::move(open_gpu)).run();
}

}  // namespace cardswap
