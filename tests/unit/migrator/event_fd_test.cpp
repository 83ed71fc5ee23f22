#include "migrator/base/event_fd.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

bool is_readable(const EventFd& event) {
  pollfd fd{event.fd(), POLLIN, 0};
  return ::poll(&fd, 1, 0) == 1;
}

TEST(EventFd, IsReadableFromANotificationUntilItIsCleared) {
  const EventFd event;
  EXPECT_FALSE(is_readable(event));
  event.notify();
  event.notify();
  EXPECT_TRUE(is_readable(event));
  event.clear();
  EXPECT_FALSE(is_readable(event));
  event.clear();
}

TEST(EventFd, IsRefusedWithAHintWhereNoDescriptorIsLeft) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  std::string told;
  std::string hint;
  try {
    const EventFd event;
  } catch (const Error& error) {
    told = error.failure();
    hint = error.hint();
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(told, "make an event to be woken by: Too many open files");
  EXPECT_NE(hint.find("ulimit -n"), std::string::npos) << hint;
}

}  // namespace
}  // namespace cardswap
