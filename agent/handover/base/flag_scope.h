#pragma once

#include "agent/base/task_group.h"

namespace cardswap {

/// Sets a flag for as long as it lives, and says so when it is over: whoever waits for the end of a
/// coroutine learns of it however that ends. It lives in the coroutine's frame; the flag and the
/// signal outlive that. One thread.
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
