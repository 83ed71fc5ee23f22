#include "agent/jobs/open_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(OpenFiles, FlagsAreReadInOctalFromTheirLine) {
  EXPECT_EQ(flags_in("pos:\t0\nflags:\t0100001\nmnt_id:\t29\n"), 0100001);
  EXPECT_EQ(flags_in("flags:\t02102001"), O_WRONLY | O_APPEND | 02100000);
  EXPECT_EQ(flags_in("pos:\t0\n"), std::nullopt);
  EXPECT_EQ(flags_in("flags:\t"), std::nullopt);
  EXPECT_EQ(flags_in("flags:\t9\n"), std::nullopt);
  EXPECT_EQ(flags_in("flags:\t07777777777777777777777\n"), std::nullopt);
  EXPECT_EQ(flags_in(""), std::nullopt);
}

TEST(OpenFiles, OnlyWhatIsWrittenOverIsTold) {
  const std::vector<OpenFile> open{{"/data/losses", O_WRONLY},
                                   {"/data/losses", O_WRONLY},
                                   {"/data/all.db", O_RDWR | O_CLOEXEC},
                                   {"/data/appended", O_WRONLY | O_APPEND},
                                   {"/data/read", O_RDONLY},
                                   {"/var/lib/cardswap/jobs/gpt.log", O_WRONLY},
                                   {"/data/scratch (deleted)", O_RDWR},
                                   {"/dev/nvidia0", O_RDWR},
                                   {"/dev/shm/loader", O_RDWR},
                                   {"/memfd:arena (deleted)", O_RDWR},
                                   {"/proc/self/oom_score_adj", O_WRONLY},
                                   {"socket:[7]", O_RDWR},
                                   {"anon_inode:[eventfd]", O_RDWR}};
  EXPECT_THAT(written_over(open, {"/var/lib/cardswap/jobs/gpt.log"}),
              ElementsAre("/data/all.db", "/data/losses"));
}

TEST(OpenFiles, ThoseOfAProcessAreFound) {
  std::string path = "/tmp/cs-open-XXXXXX";
  const int fd = ::mkstemp(path.data());
  ASSERT_GE(fd, 0);
  EXPECT_THAT(written_over(open_files_of(::getpid()), {}), ::testing::Contains(path));
  EXPECT_THAT(written_over(open_files_of(::getpid()), {path}),
              ::testing::Not(::testing::Contains(path)));
  ::unlink(path.c_str());
  ::close(fd);
}

TEST(OpenFiles, AProcessThatIsGoneHasNone) { EXPECT_THAT(open_files_of(1 << 30), IsEmpty()); }

}  // namespace
}  // namespace cardswap
