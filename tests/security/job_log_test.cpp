// A job that prints without end, on the disk that holds the journal.

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/support/hosts.h"

namespace cardswap::test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::uint64_t bytes_on_disk(const std::filesystem::path& file) {
  struct stat facts {};
  return ::stat(file.c_str(), &facts) == 0 ? static_cast<std::uint64_t>(facts.st_blocks) * 512 : 0;
}

TEST(JobLog, IsBoundedKeepsItsLastPartAndSaysWhatIsGone) {
  const TempDir dir;
  const auto go = dir.path() / "go";
  const Host a(dir.path() / "a", {.name = "a", .more = {"--job-log-max", "1MiB"}});
  (void)a.ask({"run", "--name", "loud", "--", "/bin/sh", "-c",
               "yes 'a job that prints and prints' | head -c 8388608; echo; echo the end; "
               "while ! test -e '" +
                   go.string() + "'; do sleep 0.05; done; echo and more; exec sleep 60"});
  const auto log = a.dir() / "jobs/loud/log";
  ASSERT_TRUE(within(20s, [&] {
    return std::filesystem::exists(log) && std::filesystem::file_size(log) > (8 << 20) &&
           bytes_on_disk(log) <= 1 << 20;
  })) << bytes_on_disk(log);
  EXPECT_EQ(a.command({"logs", "loud", "--tail", "1"}).exit_code, 0);
  std::ofstream(go).close();
  // It prints on where it was.
  std::string last;
  EXPECT_TRUE(within(20s, [&] {
    last = a.command({"logs", "loud", "--tail", "2"}).out;
    return last.find("and more") != std::string::npos;
  })) << last;
  EXPECT_EQ(last, "the end\nand more\n");

  const auto whole = a.command({"logs", "loud"});
  EXPECT_EQ(whole.exit_code, 0);
  EXPECT_THAT(whole.err, HasSubstr("of the log of loud are gone (cardswapd --job-log-max)"));
  EXPECT_LE(whole.out.size(), 1U << 20);
  EXPECT_THAT(whole.out, ::testing::EndsWith("the end\nand more\n"));
  EXPECT_EQ(whole.out.find('\0'), std::string::npos) << "a hole was read";
  EXPECT_THAT(a.command({"-o", "json", "events"}).out, HasSubstr("job_log_shortened"));
}

TEST(JobLog, IsBoundedOnDiskTooWhereItsJobAllocatesAndDoesNotWrite) {
  const TempDir dir;
  const Host a(dir.path() / "a", {.name = "a", .more = {"--job-log-max", "1MiB"}});
  const auto past_its_end = std::string("fallocate --keep-size --offset 4MiB --length 32MiB ");
  const auto before_its_last_byte = std::string("fallocate --length 32MiB ");
  for (const auto& [name, command] :
       {std::pair{"past", past_its_end}, {"before", before_its_last_byte}}) {
    (void)a.ask({"run", "--name", name, "--", "/bin/sh", "-c",
                 "echo begun; " + command + (a.dir() / "jobs" / name / "log").string() +
                     " && echo the end; exec sleep 1000"});
    const auto log = a.dir() / "jobs" / name / "log";
    EXPECT_TRUE(
        within(20s,
               [&] {
                 return a.command({"logs", name, "--tail", "1"}).out.ends_with("the end\n") &&
                        bytes_on_disk(log) <= 2 << 20;
               }))
        << name << ": " << bytes_on_disk(log);
  }
  EXPECT_THAT(a.command({"-o", "json", "events"}).out,
              HasSubstr("of the disk that nothing was written to"));
}

TEST(JobLog, IsBoundedAfterTheEndOfItsJob) {
  const TempDir dir;
  const Host a(dir.path() / "a", {.name = "a", .more = {"--job-log-max", "1MiB"}});
  (void)a.ask({"run", "--name", "short", "--", "/bin/echo", "done"});
  ASSERT_TRUE(a.ended_within("short", 20s));
  const auto log = a.dir() / "jobs/short/log";
  std::ofstream(log, std::ios::app) << std::string(8 << 20, 'x') << "\nlast\n";
  EXPECT_TRUE(within(20s, [&] { return bytes_on_disk(log) <= 1 << 20; })) << bytes_on_disk(log);
  EXPECT_EQ(a.command({"logs", "short", "--tail", "1"}).out, "last\n");
}

}  // namespace
}  // namespace cardswap::test
