#include "tests/support/memory_trap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cardswap::test {
namespace {

constexpr std::chrono::seconds kSetMax{10};

/// Makes this process the trap. Returns only if that fails.
void walk_in(const std::filesystem::path& file) {
  constexpr auto kBytes = ServedFolder::kFileBytes;
  const int cached = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  auto* page = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, cached, 0);
  const int direct = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (page == MAP_FAILED || direct < 0) return;
  *static_cast<volatile char*>(page) = 1;
  (void)::mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE, direct, 0);
}

}  // namespace

MemoryTrap::MemoryTrap(uid_t user) {
  if (!folder_.is_served()) return;
  process_ = ::fork();
  if (process_ == 0) {
    const bool is_user = ::setresgid(user, user, user) == 0 && ::setresuid(user, user, user) == 0;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (is_user) walk_in(folder_.file());
    ::_exit(1);
  }
  is_set_ = folder_.keeps_a_write_within(kSetMax);
}

MemoryTrap::~MemoryTrap() {
  folder_.end();  // which lets the process go
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);
  (void)::waitpid(process_, nullptr, 0);
}

std::optional<std::string> MemoryTrap::missing() { return ServedFolder::missing(); }

}  // namespace cardswap::test
