#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/criu/criu_program.h"
#include "agent/criu/examination.h"
#include "agent/criu/facts/build_id.h"
#include "agent/criu/facts/files_needed.h"
#include "agent/criu/facts/preflight.h"
#include "agent/criu/host_match.h"
#include "agent/process/process_tree.h"

namespace cardswap::criu {
namespace {

using ::testing::AllOf;
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
  EXPECT_THAT(parse_maps(kMaps),
              ElementsAre(Mapping{"/opt/my trainer/gpt", false, true, false, "55d0-55e0"},
                          Mapping{"/SYSV00000000", true, false, true, "7f20-7f30"},
                          Mapping{"/memfd:words", true, false, true, "7f30-7f40"},
                          Mapping{"/lib/libx.so", true, true, false, "7f40-7f50"}));
  EXPECT_THAT(parse_maps("7f0-7f1 r--p 0 00:00 0 [vvar_vclock]\n"
                         "7f1-7f2 rw-p 0 00:00 0 [anon:glibc: malloc]\n"
                         "7f2-7f3 rw-p 0 00:00 0 [shadow]\n"),
              ElementsAre(Mapping{"[shadow]", false, false, false, "7f2-7f3"}));
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

TEST(ProcText, ReadsWhatADescriptorHolds) {
  const auto locked = parse_descriptor(
      "pos:\t0\nflags:\t0100002\nmnt_id:\t29\nino:\t12\n"
      "lock:\t1: FLOCK  ADVISORY  WRITE 4711 00:2d:12 0 EOF\n");
  EXPECT_EQ(locked.lock, "FLOCK");
  EXPECT_EQ(locked.flags, 0100002);
  EXPECT_EQ(parse_descriptor("lock:\t2: LEASE  ACTIVE    READ  4711 00:2d:12 0 EOF\n").lock,
            "LEASE");
  EXPECT_EQ(parse_descriptor("pos:\t0\nclockid: 9\nticks: 0\n").clock, 9);
  EXPECT_TRUE(parse_descriptor("inotify wd:1 ino:3 sdev:800013 mask:100\n").watches);
  EXPECT_FALSE(parse_descriptor("pos:\t0\nflags:\t00\n").watches);
  EXPECT_EQ(parse_descriptor("flags:\t02\nscm_fds: 2\n").files_under_way, 2);
  EXPECT_EQ(parse_descriptor("Pid:\t-1\nNSpid:\t-1\n").pid, -1);
  EXPECT_EQ(parse_descriptor("\xff\n:\nlock:\n"), (DescriptorInfo{.lock = "?"}));
}

TEST(ProcText, FindsWhatOthersMayCall) {
  const auto names = parse_unix_names(
      "Num       RefCount Protocol Flags    Type St Inode Path\n"
      "00000000: 00000002 00000000 00010000 0001 01 21 /run/a socket\n"
      "00000000: 00000003 00000000 00000000 0001 03 22\n"
      "00000000: 00000002 00000000 00010000 0001 01 23 @abstract\n");
  EXPECT_EQ(names,
            (std::map<std::uint64_t, std::string>{{21, "/run/a socket"}, {23, "@abstract"}}));
  EXPECT_THAT(parse_netlink_sockets("sk               Eth Pid        Groups   Rmem  Wmem  Dump  "
                                    "Locks    Drops    Inode\n"
                                    "0000000000000000 0   4711       00000000 0     0     0     2  "
                                    "      0        31      \n"),
              ElementsAre(31U));
}

TEST(ProcText, KnowsTimersThatWakeTheMachine) {
  EXPECT_TRUE(has_alarm_timer("ID: 0\nsignal: 10/0\nnotify: signal/pid.7\nClockID: 9\n"));
  EXPECT_FALSE(has_alarm_timer("ID: 0\nsignal: 10/0\nClockID: 1\n"));
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
    std::filesystem::create_directory_symlink("/", proc / "7" / "root");
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

TEST_F(MadeUpProcess, StaysWithAnEventfdThatIsASemaphore) {
  open(4, "anon_inode:[eventfd]");
  const std::string info = "pos:\t0\nflags:\t02\neventfd-count: 3\neventfd-id: 1\n";
  write("7/fdinfo/4", info + "eventfd-semaphore: 0\n");
  EXPECT_THAT(reasons(), IsEmpty());
  write("7/fdinfo/4", info + "eventfd-semaphore: 1\n");
  EXPECT_THAT(reasons(), ElementsAre(HasSubstr("has eventfd that is a semaphore open (fd 4)")));
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

/// Facts as they are read, of one process that may leave, with one thing more.
TreeFacts with(OpenDescriptor thing) {
  ProcessFacts process;
  process.pid = 700;
  process.inner_pid = 7;
  process.session = 700;
  process.name = "gpt";
  thing.fd = 9;
  process.open.push_back(std::move(thing));
  TreeFacts tree;
  tree.processes.push_back(std::move(process));
  return tree;
}
OpenDescriptor socket_of(const std::string& protocol) {
  OpenDescriptor thing;
  thing.target = "socket:[31]";
  thing.kind = OpenDescriptor::Kind::socket;
  thing.protocol = protocol;
  return thing;
}
OpenDescriptor file_at(const std::string& path, std::uint64_t file_system = 0) {
  OpenDescriptor thing;
  thing.target = path;
  thing.kind = OpenDescriptor::Kind::file;
  thing.named = true;
  thing.file_system = file_system;
  return thing;
}

TEST(Preflight, LetsFilesThroughThatTheirNamesLeadTo) {
  auto file = file_at("/data/tokens");
  EXPECT_THAT(reasons_to_stay(with(file), {}), IsEmpty());
  file.named = false;
  EXPECT_THAT(reasons_to_stay(with(file), {}), ElementsAre(HasSubstr("leads to something else")));
  file.kind = OpenDescriptor::Kind::other;
  EXPECT_THAT(reasons_to_stay(with(file), {}), ElementsAre(HasSubstr("not known to move")));
  file = file_at("/data/log.db");
  file.info.lock = "POSIX";
  EXPECT_THAT(reasons_to_stay(with(file), {}),
              ElementsAre(HasSubstr("holds a lock (POSIX) on /data/log.db (fd 9)")));
}

TEST(Preflight, LetsOnlyTheJobsOwnPartOfProcThrough) {
  constexpr std::uint64_t kProc = 0x9fa0;
  for (const auto* own : {"/proc/meminfo", "/proc/7/stat", "/proc/7/task/7/stat", "/proc"}) {
    EXPECT_THAT(reasons_to_stay(with(file_at(own, kProc)), {}), IsEmpty()) << own;
  }
  for (const auto* other : {"/proc/700/stat", "/proc/1/cmdline", "/proc/7/task/8/stat", "/p/7"}) {
    EXPECT_THAT(reasons_to_stay(with(file_at(other, kProc)), {}), ::testing::SizeIs(1)) << other;
  }
  EXPECT_THAT(files_needed(with(file_at("/proc/7/stat", kProc))), IsEmpty());
}

TEST(Preflight, AsksTheTargetForNothingThatNoNameLeadsTo) {
  auto tree = with(file_at("/queue", 0x19800202));
  tree.processes[0].folder = "/tmp/x (deleted)";
  EXPECT_THAT(files_needed(tree), ::testing::SizeIs(1));
  tree.processes[0].open[0].named = false;
  EXPECT_THAT(files_needed(tree), IsEmpty());
}

TEST(Preflight, LetsOnlySocketsThroughThatNobodyElseKnows) {
  for (const auto* moves : {"UNIX", "UNIX-STREAM", "NETLINK", "TCP", "UDPv6"}) {
    EXPECT_THAT(reasons_to_stay(with(socket_of(moves)), {}), IsEmpty()) << moves;
  }
  for (const auto* stays : {"MPTCP", "AF_VSOCK", "PACKET", "RAW", "ALG", "XDP", ""}) {
    EXPECT_THAT(reasons_to_stay(with(socket_of(stays)), {}),
                ElementsAre(HasSubstr("not known to move")))
        << stays;
  }
  for (const auto* network : {"TCP", "TCPv6", "UDP", "UDPv6"}) {
    EXPECT_THAT(reasons_to_stay(with(socket_of(network)), {}, network_fault("4.1.1", true)),
                ElementsAre(HasSubstr("CRIU 4.1.1 cannot read network sockets on this kernel")))
        << network;
  }
  EXPECT_THAT(reasons_to_stay(with(socket_of("UNIX")), {}, "a fault"), IsEmpty());
  auto named = with(socket_of("UNIX-STREAM"));
  named.unix_names[31] = "/run/gpt.sock";
  EXPECT_THAT(reasons_to_stay(named, {}), ElementsAre(HasSubstr("/run/gpt.sock")));
  named.unix_names[31] = "@cuda-uvmfd-4026531836-700@";
  EXPECT_THAT(reasons_to_stay(named, {"", {700}, {}, {}}), IsEmpty()) << "the driver closes it";
  EXPECT_THAT(reasons_to_stay(named, {}), ElementsAre(HasSubstr("cuda-uvmfd")));
  auto full = socket_of("UNIX-STREAM");
  full.info.files_under_way = 1;
  EXPECT_THAT(reasons_to_stay(with(full), {}), ElementsAre(HasSubstr("on their way")));
  auto bound = with(socket_of("NETLINK"));
  bound.netlink_bound = {31};
  EXPECT_THAT(reasons_to_stay(bound, {}), ElementsAre(HasSubstr("netlink")));
}

TEST(Preflight, KnowsWhichCriuHasTheFaultWithNetworkSockets) {
  EXPECT_THAT(network_fault("4.1", true), HasSubstr("4.2 or newer"));
  EXPECT_EQ(network_fault("4.2", true), "");
  EXPECT_EQ(network_fault("5.0.1", true), "");
  EXPECT_EQ(network_fault("4.1.1", false), "") << "an older kernel";
}

TEST(Preflight, NamesWhatIsNoFileThoughItLooksLikeOne) {
  EXPECT_THAT(reasons_to_stay(with(file_at("/queue", 0x19800202)), {}),
              ElementsAre(HasSubstr("a POSIX message queue open (/queue")));
  EXPECT_THAT(reasons_to_stay(with(file_at("/sys/fs/cgroup/x", 0x63677270)), {}),
              ElementsAre(HasSubstr("a cgroup")));
  auto tree = with(file_at("/data"));
  tree.processes[0].mappings = {
      {"/memfd:x", true, false, true, "2-3"},    {"/memfd:y", true, false, true, "3-4"},
      {"/[aio]", true, false, true, "4-5"},      {"/dev/fuse", false, false, true, "5-6"},
      {"/dev/shm/x", false, false, true, "6-7"}, {"/secretmem", true, false, true, "7-8"}};
  tree.processes[0].huge = {"2-3"};
  EXPECT_THAT(reasons_to_stay(tree, {}),
              ElementsAre(HasSubstr("uses huge pages"), HasSubstr("asynchronous I/O"),
                          HasSubstr("the device /dev/fuse mapped"), HasSubstr("secret memory")));
  tree.processes[0].huge.clear();
  tree.processes[0].mappings = {{"/anon_hugepage", true, false, false, "1-2"}};
  EXPECT_THAT(reasons_to_stay(tree, {}), ElementsAre(HasSubstr("uses huge pages")));
  auto secret = file_at("/secretmem");
  secret.deleted = true;
  EXPECT_THAT(reasons_to_stay(with(secret), {}), ElementsAre(HasSubstr("secret memory")));
}

TEST(Preflight, SaysOfPythonsWorkersWhatToDo) {
  auto tree = with(file_at("/dev/shm/torch_740_3"));
  tree.processes[0].open[0].deleted = true;
  tree.processes[0].open.push_back(socket_of("UNIX-STREAM"));
  tree.unix_names[31] = "/tmp/pymp-wogh8mlf/listener-3zm_pckp";
  tree.processes[0].mappings = {{"/dev/shm/sem.rP3D", true, false, true, "1-2"}};
  EXPECT_THAT(reasons_to_stay(tree, {}),
              ElementsAre(HasSubstr("shares semaphores"), HasSubstr("shares tensors"),
                          AllOf(HasSubstr("by a unix socket"), HasSubstr("num_workers=0"))));
}

TEST(Preflight, KeepsProcessesThatLiveElsewhere) {
  auto tree = with(file_at("/data"));
  auto& process = tree.processes[0];
  process.folder = "/tmp/x (deleted)";
  process.root = "/srv";
  process.session = 1;
  process.has_alarm_timer = true;
  process.namespaces = {
      {"net", "net:[2]"}, {"mnt", "mnt:[3]"}, {"pid", "pid:[4]"}, {"time", "time:[5]"}};
  tree.own_namespaces = {
      {"net", "net:[1]"}, {"mnt", "mnt:[1]"}, {"pid", "pid:[1]"}, {"time", "time:[1]"}};
  auto child = process;
  child = {};
  child.pid = child.inner_pid = 8;
  child.session = 8;
  child.name = "worker";
  child.namespaces = {{"net", "net:[2]"}, {"pid", "pid:[5]"}};
  tree.processes.push_back(child);
  EXPECT_THAT(reasons_to_stay(tree, {}),
              ElementsAre(HasSubstr("session of a process outside"), HasSubstr("wakes the machine"),
                          HasSubstr("/srv for its root"), HasSubstr("folder that was deleted"),
                          HasSubstr("(net), which the agent has not"),
                          HasSubstr("process 8 (worker) has a namespace of its own (pid)")));
}

TEST_F(MadeUpProcess, NeedsItsFilesThere) {
  write("data", "12345");
  open(3, (proc / "data").string(), "00");
  open(4, proc.string(), "0200000");
  auto needs = needs_of(facts());
  ASSERT_EQ(needs.files.size(), 2U);
  needs.gpus = {{"GPU-1", "H200"}};
  EXPECT_EQ(needs_from_json(to_json(needs)), needs);
  const auto missing = [&] {
    std::vector<FileMatch> found;
    for (const auto& file : needs.files) found.push_back(inspect_file(file));
    return what_is_missing(needs, found, "b");
  };
  EXPECT_THAT(missing(), IsEmpty());
  write("data", "123");
  EXPECT_THAT(missing(), ElementsAre(HasSubstr("data differs from the job's open file")));
  needs.cpu_features.emplace_back("avx4096");
  std::filesystem::remove(proc / "data");
  EXPECT_THAT(missing(),
              ElementsAre(HasSubstr("the processor of b lacks avx4096"), HasSubstr("there is no")));
}

/// Whoever names them must neither keep the agent waiting nor make it act.
TEST(FilesHere, AreNeitherOpenedNorToldOfWhereTheyAreNoPlainFiles) {
  for (const auto* path : {"/proc/kmsg", "/proc/self/mem", "/sys/kernel/notes", "/dev/null",
                           "/dev/watchdog", "/proc/1/environ", "/", "/nowhere"}) {
    NeededFile file{.path = path, .bytes = 0};
    for (const auto use :
         {NeededFile::Use::mapped, NeededFile::Use::read, NeededFile::Use::written}) {
      file.use = use;
      file.build_id = use == NeededFile::Use::mapped ? "00" : "";
      EXPECT_EQ(inspect_file(file), FileMatch::missing) << path;
    }
  }
  EXPECT_EQ(inspect_file({.path = "/", .use = NeededFile::Use::folder}), FileMatch::fits);
  EXPECT_EQ(inspect_file({.path = "/proc", .use = NeededFile::Use::folder}), FileMatch::fits);
  EXPECT_EQ(inspect_file({.path = "/proc/meminfo", .use = NeededFile::Use::read}), FileMatch::fits);
  EXPECT_EQ(inspect_file({.path = "/proc/1/fd", .use = NeededFile::Use::folder}),
            FileMatch::missing);
}

TEST(Preflight, KnowsThisProcess) {
  const auto tree = read_tree("/proc", {::getpid()}, {});
  ASSERT_EQ(tree.processes.size(), 1U);
  EXPECT_FALSE(tree.processes[0].mappings.empty());
  const auto needs = needs_of(tree);
  std::vector<FileMatch> found;
  for (const auto& file : needs.files) found.push_back(inspect_file(file));
  EXPECT_THAT(what_is_missing(needs, found, "here"), IsEmpty());
  EXPECT_THAT(build_id_of("/proc/self/exe"), ::testing::MatchesRegex("[0-9a-f]{16,}"));
  EXPECT_EQ(build_id_of("/etc/hostname"), "");
}

}  // namespace
}  // namespace cardswap::criu
