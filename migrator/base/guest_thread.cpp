#include "migrator/base/guest_thread.h"

namespace cardswap {

GuestThread::BlockedSignals::BlockedSignals() {
  sigset_t all;
  ::sigfillset(&all);
  // Signals of a thread's own faults: if blocked, they would end the program without its handlers.
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
    ::sigdelset(&all, fault);
  }
  ::pthread_sigmask(SIG_BLOCK, &all, &before_);
}

GuestThread::BlockedSignals::~BlockedSignals() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace cardswap
