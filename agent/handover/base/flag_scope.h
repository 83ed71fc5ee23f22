#pragma once

#include "agent/base/task_group.h"

namespace cardswap {

/// Sets a flag while it lives; clears it and notifies a signal at its end. So waiters hear of a
/// coroutine's end however the coroutine ends. It lives in the coroutine's frame; the flag and the
/// signal must outlive it. One thread.
class FlagScope {
 public:
  FlagScope(bool& flag, Signal& changed) : flag_(flag), changed_(changed) { flag_ = true; }
  FlagScope(const FlagScope&) = delete;
  FlagScope& operator=(const FlagScope&) = delete;
  ~FlagScope() {
    flag_ = false;
    changed_.notify();
  }

 private:
  bool& flag_;
  Signal& changed_;
};

}  // namespace cardswap
