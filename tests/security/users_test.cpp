// What the attacks stand on: that they are made by somebody without rights.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <pwd.h>
#include <unistd.h>

#include "tests/security/users.h"
#include "tests/support/needs.h"
#include "tests/support/process.h"

namespace cardswap::test {
namespace {

class Users : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = LocalUser::missing()) return skip_without("root", *missing);
  }
};

TEST_F(Users, HaveNoRightsAndAreGoneAfterwards) {
  std::string name;
  {
    const LocalGroup group;
    const LocalUser user({group.name()});
    name = user.name();
    EXPECT_EQ(run(user.types({"id", "--user"})).out, std::to_string(user.uid()) + "\n");
    EXPECT_THAT(run(user.types({"id", "--groups", "--name"})).out,
                ::testing::HasSubstr(group.name()));
    EXPECT_NE(run(user.types({"cat", "/etc/shadow"})).exit_code, 0);
    EXPECT_EQ(user.does([] { return ::open("/etc/shadow", O_RDONLY) < 0 ? 7 : 0; }), 7);
    EXPECT_EQ(user.does([] { return ::setuid(0) == 0 ? 0 : 8; }), 8);
  }
  EXPECT_EQ(::getpwnam(name.c_str()), nullptr);
}

}  // namespace
}  // namespace cardswap::test
