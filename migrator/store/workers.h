#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <vector>

#include "migrator/base/guest_thread.h"
#include "migrator/base/mutex.h"

namespace cardswap::store {

/// Which threads come first where there are more than cores. `background`: those of a trainer that
/// runs beside this (nice 10). `normal`: neither, because somebody waits for this.
enum class WorkPriority : bool { normal, background };

/// Gives the calling thread the nice value of WorkPriority::background. It has no way back.
void yield_to_other_programs() noexcept;

/// A few threads that share out the items of one piece of work after another.
///
/// One thread uses it, and waits while they work. No item is begun before for_each() and none is
/// under way after it, so what one round has written the next one may read.
class Workers {
 public:
  using Work = std::function<void(std::size_t item, unsigned slot)>;

  /// The number of the host's cores; 8 at most.
  [[nodiscard]] static unsigned default_threads();
  /// Starts the threads; fewer if the host has no more. Without any, the caller does the work.
  explicit Workers(unsigned threads = default_threads(),
                   WorkPriority priority = WorkPriority::normal);
  ~Workers();  ///< joins
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// How many items are worked on at a time, at least 1. No two of them have the same slot, which
  /// is less than this: for buffers and contexts that threads do not share.
  [[nodiscard]] unsigned slots() const;
  [[nodiscard]] WorkPriority priority() const { return priority_; }

  /// Calls `work` once for each item from 0 to `items` - 1, about in that order, and returns when
  /// all are done. Rethrows the first exception; items that had not begun by then are left out.
  void for_each(std::size_t items, const Work& work);

 private:
  void run(unsigned slot);
  /// Takes the next item. False: there is none any more, and the thread is to end.
  bool wait_for_item(MutexLock& lock) CARDSWAP_REQUIRES(mutex_);

  const WorkPriority priority_;
  Mutex mutex_;
  Condition begun_;
  Condition done_;
  const Work* work_ CARDSWAP_GUARDED_BY(mutex_) = nullptr;
  std::size_t items_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  std::size_t next_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  std::size_t under_way_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  bool ends_ CARDSWAP_GUARDED_BY(mutex_) = false;
  std::exception_ptr failure_ CARDSWAP_GUARDED_BY(mutex_);
  std::vector<GuestThread> threads_;
};

}  // namespace cardswap::store
