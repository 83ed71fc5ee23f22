/// The random numbers of every run are the same. They are in the names of what a store writes, and
/// so decide which folders are made: with others the n-th call of two runs would not be the same.

#include <random>

#include "migrator/base/mutex.h"

// NOLINTNEXTLINE(bugprone-reserved-identifier, cert-dcl58-cpp): in the place of the library's own
std::random_device::result_type std::random_device::_M_getval() {
  static cardswap::Mutex mutex;
  static std::mt19937 random(1);
  const cardswap::MutexLock lock(mutex);
  return static_cast<result_type>(random());
}
