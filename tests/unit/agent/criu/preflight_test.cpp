#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/criu/build_id.h"
#include "agent/criu/examination.h"
#include "agent/criu/host_match.h"
#include "agent/criu/preflight.h"
#include "agent/criu/process_tree.h"

namespace cardswap::criu {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kMaps =
    "55d0-55e0 r-xp 00000000 fe:00 131 /opt/my trainer/gpt\n"
    "7f00-7f10 rw-p 00000000 00:00 0 \n"
    "7f10-7f20 rw-p 00000000 00:00 0 [heap]\n"
    "7f20-7f30 rw-s 00000000 00:05 9 /SYSV00000000 (deleted)\n"
    "7f30-7f40 rw-s 00000000 00:01 4 /memfd:words (deleted)\n"
    "7f40-7f50 r-xp 00000000 fe:00 77 /lib/libx.so (deleted)\n"
    "cut\n";

TEST(ProcText, ReadsMaps) {
  EXPECT_THAT(parse_maps(kMaps), ElementsAre(Mapping{"/opt/my trainer/gpt", false, true, false},
                                             Mapping{"/SYSV00000000", true, false, true},
                                             Mapping{"/memfd:words", true, false, true},
                                             Mapping{"/lib/libx.so", true, true, false}));
}

TEST(ProcText, ReadsSockets) {
  const auto sockets = parse_inet_sockets(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "11 1\n"
      "   1: 0200000A:C001 0300000A:1538 01 00000000:00000000 00:00000000 00000000     0        0 "
      "12 1\n"
      "nonsense\n",
      true);
  ASSERT_EQ(sockets.size(), 2U);
  EXPECT_EQ(sockets[0], (InetSocket{11, 8080, "", true}));
  EXPECT_EQ(sockets[1], (InetSocket{12, 49153, "10.0.0.3:5432", false}));
}

TEST(ProcText, ReadsWhatProgramsChooseCodeBy) {
  EXPECT_THAT(
      cpu_features("processor\t: 0\nflags\t\t: fpu avx2 sse4_2 nx smep\nflags\t: amx_tile\n"),
      ElementsAre("avx2", "sse4_2"));
}

TEST(ProcText, FindsATerminalBehindAnyName) {
  EXPECT_EQ(tty_in_stat("1 (a) b) S 1 2 3 34816 5 6"), 34816);
  EXPECT_EQ(tty_in_stat("1 (a) S 1 2 3 0 5 6"), 0);
  EXPECT_EQ(tty_in_stat(""), 0);
}

/// A process in a /proc of our own.
class MadeUpProcess : public ::testing::Test {
 protected:
  MadeUpProcess() {
    proc = std::filesystem::temp_directory_path() / ("csproc" + std::to_string(::getpid()));
    std::filesystem::create_directories(proc / "7" / "fd");
    std::filesystem::create_directories(proc / "7" / "fdinfo");
    std::filesystem::create_directories(proc / "7" / "net");
    write("7/status", "Name:\tgpt\nTracerPid:\t0\n");
    write("7/stat", "7 (gpt) S 1 7 7 0 -1");
    write("7/maps", "");
  }
  ~MadeUpProcess() override { std::filesystem::remove_all(proc); }
  void write(const std::string& file, const std::string& text) {
    std::ofstream(proc / file) << text;
  }
  void open(int fd, const std::string& target, const std::string& flags = "02") {
    const auto number = std::to_string(fd);
    std::filesystem::create_symlink(target, proc / "7" / "fd" / number);
    write("7/fdinfo/" + number, "pos:\t0\nflags:\t" + flags + "\n");
  }
  [[nodiscard]] TreeFacts facts() const { return read_tree(proc, {7}, {}); }
  [[nodiscard]] std::vector<std::string> reasons(const GpuFindings& gpus = {
                                                     "no driver", {}, {}, {}}) const {
    return reasons_to_stay(facts(), gpus);
  }

  std::filesystem::path proc;
};

TEST_F(MadeUpProcess, MayLeaveWithTheUsualThings) {
  open(0, "/dev/null");
  open(3, "anon_inode:[eventpoll]");
  open(4, "anon_inode:[eventfd]");
  open(5, "pipe:[9]", "00");
  open(6, "pipe:[9]", "01");
  open(7, "/memfd:x (deleted)");
  EXPECT_THAT(reasons(), IsEmpty());
}

TEST_F(MadeUpProcess, StaysForWhatCannotMoveAndIsToldWhich) {
  write("7/status", "Name:\tgpt\nTracerPid:\t99\n");
  write("7/stat", "7 (gpt) S 1 7 7 34816 -1");
  write("7/maps", kMaps);
  write("7/net/tcp",
        "   1: 0200000A:C001 0300000A:1538 01 0:0 00:0 0 0 0 12 1\n"
        "   2: 00000000:1F90 00000000:0000 0A 0:0 00:0 0 0 0 13 1\n");
  open(3, "anon_inode:[io_uring]");
  open(4, "/dev/infiniband/uverbs0");
  open(5, "/dev/nvidia0");
  open(6, "/dev/pts/3");
  open(7, "socket:[12]");
  open(8, "socket:[13]");
  open(9, "/tmp/gone (deleted)");
  open(10, "pipe:[9]", "01");
  open(11, "anon_inode:bpf-prog");
  const auto said = reasons();
  for (const auto* part :
       {"traced by process 99", "has a terminal", "System V shared memory",
        "/lib/libx.so mapped, which was deleted", "uses io_uring", "RDMA device", "has a GPU open",
        "/dev/pts/3", "connected to 10.0.0.3:5432", "listens on port 8080",
        "/tmp/gone open (fd 9), which was deleted", "pipe (fd 10)", "bpf-prog"}) {
    EXPECT_THAT(said, Contains(HasSubstr(part)));
  }
  EXPECT_THAT(said, ::testing::Each(HasSubstr("process 7 (gpt)")));
  EXPECT_THAT(said, Contains(HasSubstr("nothing here saves what is on it: no driver")));
  EXPECT_THAT(reasons({"", {7}, {}, {}}), ::testing::Not(Contains(HasSubstr("GPU"))));
  EXPECT_THAT(reasons({"", {}, {{7, "error 3"}}, {"locked"}}),
              ::testing::AllOf(Contains(HasSubstr("does not save what is on it: error 3")),
                               Contains("locked")));
}

TEST_F(MadeUpProcess, NeedsItsFilesThere) {
  write("data", "12345");
  open(3, (proc / "data").string(), "00");
  open(4, proc.string(), "0200000");
  auto needs = needs_of(facts());
  ASSERT_EQ(needs.files.size(), 2U);
  needs.gpus = {{"GPU-1", "H200"}};
  EXPECT_EQ(needs_from_json(to_json(needs)), needs);
  EXPECT_THAT(what_is_missing(needs, "b"), IsEmpty());
  write("data", "123");
  EXPECT_THAT(what_is_missing(needs, "b"),
              ElementsAre(HasSubstr("data has 3 bytes, the job's open file has 5")));
  needs.cpu_features.emplace_back("avx4096");
  std::filesystem::remove(proc / "data");
  EXPECT_THAT(what_is_missing(needs, "b"),
              ElementsAre(HasSubstr("the processor of b lacks avx4096"), HasSubstr("there is no")));
}

TEST(Preflight, KnowsThisProcess) {
  const auto tree = read_tree("/proc", {::getpid()}, {});
  ASSERT_EQ(tree.processes.size(), 1U);
  EXPECT_FALSE(tree.processes[0].mappings.empty());
  const auto needs = needs_of(tree);
  EXPECT_THAT(what_is_missing(needs, "here"), IsEmpty());
  EXPECT_THAT(build_id_of("/proc/self/exe"), ::testing::MatchesRegex("[0-9a-f]{16,}"));
  EXPECT_EQ(build_id_of("/etc/hostname"), "");
}

}  // namespace
}  // namespace cardswap::criu
