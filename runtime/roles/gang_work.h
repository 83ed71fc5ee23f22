#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "migrator/base/guest_thread.h"
#include "migrator/base/mutex.h"
#include "runtime/roles/communicators.h"

namespace cardswap {

/// The program's communicators, and the thread on which a gang's work is done beside the loop, one
/// task after another.
///
/// The thread starts with the first task, so that a job that is in no gang has none. Any thread may
/// call it, unless said otherwise.
class GangWork {
 public:
  using Task = std::function<void(Communicators&)>;

  GangWork() = default;
  ~GangWork() { stop(); }
  GangWork(const GangWork&) = delete;
  GangWork& operator=(const GangWork&) = delete;

  /// Takes the program's communicators, before the first boundary. Throws Error{conflict} the
  /// second time.
  void set(std::unique_ptr<Communicators> communicators);
  /// The program's communicators, which live until the end of this. Throws Error{refused} if it has
  /// told of none.
  [[nodiscard]] Communicators& communicators();

  /// Runs `task`, which must not throw, after those before. Throws as communicators() does, and
  /// std::system_error if there is no thread left. After stop() it does nothing.
  void later(Task task);
  /// The gang of `epoch`, and each before it, is over: nobody waits for its other ranks any more.
  void give_up(std::uint64_t epoch);
  [[nodiscard]] bool is_given_up(std::uint64_t epoch) const { return epoch <= given_up_; }
  /// Gives everything up, drops the tasks that have not begun, and waits for the one that has.
  /// Not with a mutex held that a task takes.
  void stop();

 private:
  void run();

  std::atomic<std::uint64_t> given_up_{0};
  Mutex mutex_;
  Condition changed_;
  std::unique_ptr<Communicators> communicators_ CARDSWAP_GUARDED_BY(mutex_);
  std::deque<Task> tasks_ CARDSWAP_GUARDED_BY(mutex_);
  bool is_stopped_ CARDSWAP_GUARDED_BY(mutex_) = false;
  GuestThread thread_ CARDSWAP_GUARDED_BY(mutex_);
};

}  // namespace cardswap
