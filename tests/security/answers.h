#pragma once

#include <sys/mman.h>

#include <functional>
#include <stdexcept>

#include "tests/security/users.h"
#include "tests/support/http.h"

namespace cardswap::test {

/// The status that `user` is answered by `ask`, which runs in a process of that user; 0 if it
/// got no answer at all.
inline unsigned status_for(const LocalUser& user, const std::function<HttpResponse()>& ask) {
  auto* shared = static_cast<unsigned*>(
      ::mmap(nullptr, sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (shared == MAP_FAILED) throw std::runtime_error("mmap");
  *shared = 0;
  (void)user.does([&] {
    *shared = ask().status;
    return 0;
  });
  const auto status = *shared;
  ::munmap(shared, sizeof(unsigned));
  return status;
}

}  // namespace cardswap::test
