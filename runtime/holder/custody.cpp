#include "runtime/holder/custody.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <optional>

#include "migrator/base/error.h"
#include "migrator/device/memfd_arena.h"
#include "runtime/arena_relocator.h"
#include "runtime/memory_socket.h"
#include "runtime/passed_arena.h"

namespace cardswap {
namespace {

constexpr std::chrono::seconds kAnswerMax{10};

class Custodian {
 public:
  Custodian(const std::string& path, pid_t trainer)
      : pid_(trainer),
        trainer_(static_cast<int>(::syscall(SYS_pidfd_open, trainer, 0))),
        listener_(path) {
    if (!trainer_) {
      throw Error(Code::bad_request,
                  fmt::format("there is no process {}: {}", trainer, std::strerror(errno)));
    }
  }

  int run() {
    while (true) {
      std::array<pollfd, 2> waiting{{{trainer_.get(), POLLIN, 0}, {listener_.fd(), POLLIN, 0}}};
      if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
      if (waiting[0].revents != 0) return 0;
      auto connection = listener_.accept();
      // If the trainer's pid was given to another process since, the descriptor above shows that.
      if (!connection || connection->peer().pid != pid_) continue;
      try {
        if (serve(*connection)) return 0;
      } catch (...) {  // whatever it is, the custodian goes on: only it has the memory
        memory_transfer::refuse(*connection, error_of(std::current_exception()));
      }
    }
  }

 private:
  /// True when the trainer has its memory back.
  bool serve(memory_transfer::Connection& connection) {
    while (auto received = connection.receive(std::chrono::steady_clock::now() + kAnswerMax)) {
      if (const auto* keep = std::get_if<memory_transfer::Keep>(&received->message)) {
        if (kept_) throw Error(Code::refused, "a custodian keeps one job's memory");
        auto arenas = memory_transfer::arenas_from(keep->arenas, std::move(received->files));
        for (const auto& arena : arenas) {
          if (arena.device != ArenaRelocator::kHost)
            continue;  // a GPU's is known when it is mapped
          for (const auto& piece : arena.pieces) check_arena_file(piece.file, piece.bytes);
        }
        kept_ = std::move(arenas);
        connection.send(memory_transfer::Kept{});
      } else if (std::holds_alternative<memory_transfer::Fetch>(received->message)) {
        if (!kept_) throw Error(Code::refused, "this custodian was given nothing");
        memory_transfer::Memory memory;
        memory.arenas = memory_transfer::outlines_of(*kept_);
        connection.send(memory, memory_transfer::files_of(*kept_));
        lent_ = true;
      } else if (std::holds_alternative<memory_transfer::Done>(received->message) && lent_) {
        return true;
      } else {
        throw Error(Code::bad_request, "not what one says to a custodian");
      }
    }
    return false;
  }

  const pid_t pid_;
  const Descriptor trainer_;
  const memory_transfer::Listener listener_;
  std::optional<std::vector<memory_transfer::PassedArena>> kept_;
  bool lent_ = false;
};

}  // namespace

int take_custody(const std::string& path, pid_t trainer) { return Custodian(path, trainer).run(); }

}  // namespace cardswap
