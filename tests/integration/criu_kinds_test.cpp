/// Method: a trainer that holds one thing more (tests/stand_ins/kinds), two agents, the real CRIU.
/// What the preflight lets pass is moved there and back and is still what it was, each kind by
/// itself; whatever else is refused by the dry run, with the reason, and by `migrate` in the same
/// words, while the job trains on.

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <fstream>

#include "tests/support/aftermath.h"
#include "tests/support/hosts.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct Kind {
  std::string with;
  std::string reason = {};  ///< empty: it moves
};

std::ostream& operator<<(std::ostream& out, const Kind& kind) { return out << kind.with; }

class Holding : public ::testing::Test {
 protected:
  /// Why CRIU cannot work here; empty: `job` trains.
  std::string start(const std::string& with, const std::string& steps) {
    if (kPatience > 1) return "a sanitizer's shadow memory is no part of an image";
    a = std::make_unique<Host>(dir.path() / "a", HostOptions{.name = "a"});
    const auto problem = text(a->ask({"devices"}).at("criu").as_object(), "problem");
    if (!problem.empty()) return problem;
    b = std::make_unique<Host>(dir.path() / "b", HostOptions{.name = "b"});
    std::filesystem::create_directory(dir.path() / "own");
    a->run_job("job", {HOLDS, "--with", with, "--dir", (dir.path() / "own").string(), "--steps",
                       steps, "--loss-log", (dir.path() / "losses").string()});
    if (!within(20s, [&] { return a->step_of("job") >= 2 || ended(*a); }))
      return "it does not train";
    const auto said = a->command({"logs", "job"}).out;
    return ended(*a) ? "this machine has none: " + said : "";
  }
  [[nodiscard]] static bool ended(const Host& host) {
    return text(host.job("job"), "state") == "failed";
  }
  [[nodiscard]] static std::vector<std::string> words(const Host& to) {
    return {"migrate", "job", "--to", to.at("cpu:0"), "--arrive", "criu", "--max-downtime", "none"};
  }

  TempDir dir;
  NothingOutlives guard{dir.path()};
  std::unique_ptr<Host> a;
  std::unique_ptr<Host> b;
};

class Moving : public Holding, public ::testing::WithParamInterface<Kind> {};

TEST_P(Moving, IsWhatItWasWhenItCameBack) {
  if (const auto why = start(GetParam().with, "500"); !why.empty()) GTEST_SKIP() << why;
  EXPECT_EQ(text(a->ask(words(*b)), "state"), "completed") << a->log() << b->log();
  EXPECT_EQ(text(b->ask(words(*a)), "state"), "completed") << a->log() << b->log();
  ASSERT_TRUE(a->ended_within("job", 60s));
  EXPECT_EQ(number(a->job("job"), "exit_code"), 0) << a->command({"logs", "job"}).out;
}

std::string name_of(const ::testing::TestParamInfo<Kind>& info) {
  auto name = info.param.with;
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Moving,
    ::testing::Values(Kind{"nothing"}, Kind{"eventfd"}, Kind{"epoll"}, Kind{"signalfd"},
                      Kind{"timerfd"}, Kind{"inotify"}, Kind{"own-pidfd"}, Kind{"sealed-memfd"},
                      Kind{"unix-socket"}, Kind{"unix-pair"}, Kind{"netlink"}, Kind{"pipe"},
                      Kind{"own-proc-file"}, Kind{"proc-file"}, Kind{"proc-folder"},
                      Kind{"sys-file"}, Kind{"memory-devices"}, Kind{"shared-memory"},
                      Kind{"transparent-huge-pages"}, Kind{"locked-memory"}, Kind{"folder"},
                      Kind{"process-timer"}, Kind{"posix-timer"}, Kind{"seccomp"}, Kind{"child"}),
    name_of);

class Staying : public Holding, public ::testing::WithParamInterface<Kind> {};

TEST_P(Staying, IsRefusedByTheDryRunAndByMigrateInTheSameWords) {
  const auto& [with, reason] = GetParam();
  if (const auto why = start(with, "100000"); !why.empty()) GTEST_SKIP() << why;
  const auto criu = a->ask({"devices"}).at("criu").as_object();
  const bool network = reason.find("cannot read network sockets") != std::string::npos;
  if (network && text(criu, "network_fault").empty()) GTEST_SKIP() << "this CRIU has no such fault";
  auto dry = words(*b);
  dry.emplace_back("--dry-run");
  const auto plan = a->ask(dry);
  EXPECT_FALSE(plan.at("allowed").as_bool());
  std::vector<std::string> said;
  for (const auto& blocked : plan.at("blocked_reasons").as_array()) {
    said.emplace_back(blocked.as_string());
  }
  EXPECT_THAT(said, ::testing::Each(HasSubstr(reason)));
  const auto outcome = a->command(words(*b));
  EXPECT_NE(outcome.exit_code, 0);
  for (const auto& blocked : said) EXPECT_THAT(outcome.err, HasSubstr(blocked));
  EXPECT_TRUE(a->steps_again_within("job", 5s));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Staying,
    ::testing::Values(
        Kind{"flock", "holds a lock (FLOCK) on /"}, Kind{"posix-lock", "holds a lock (POSIX) on /"},
        Kind{"ofd-lock", "holds a lock (OFDLCK) on /"}, Kind{"lease", "holds a lock (LEASE) on /"},
        Kind{"tcp", "has a TCP socket open (fd"}, Kind{"udp6", "has a UDPv6 socket open (fd"},
        Kind{"vsock", "the protocol AF_VSOCK"}, Kind{"packet", "the protocol PACKET"},
        Kind{"raw", "the protocol RAW"}, Kind{"bound-netlink", "over a netlink socket"},
        Kind{"named-unix-socket", "a unix socket that others may call (/"},
        Kind{"other-proc-file", "/proc/1/stat open"}, Kind{"other-pidfd", "a handle (pidfd, fd"},
        Kind{"namespace", "has net:["}, Kind{"alarm-timerfd", "of clock 9"},
        Kind{"watching-inotify", "watches files with inotify"},
        Kind{"fanotify", "has fanotify open"}, Kind{"io-uring", "uses io_uring"},
        Kind{"aio", "asynchronous I/O of the kernel"}, Kind{"userfaultfd", "has userfaultfd open"},
        Kind{"secret-memory", "secret"}, Kind{"huge-memfd", "a file of huge pages"},
        Kind{"huge-pages", "uses huge pages"}, Kind{"perf", "has perf_event open"},
        Kind{"bpf", "has bpf-map open"}, Kind{"message-queue", "a POSIX message queue"},
        Kind{"deleted-file", "which was deleted"}, Kind{"replaced-file", "which was deleted"},
        Kind{"unnamed-file", "which was deleted"}, Kind{"named-pipe", "the named pipe /"},
        Kind{"packet-pipe", "keeps writes apart"}, Kind{"terminal", "has the terminal /dev/p"},
        Kind{"system-v-memory", "System V"}, Kind{"device", "has the device /dev/kmsg open"},
        Kind{"deleted-folder", "works in a folder that was deleted"},
        Kind{"child-in-a-namespace", "has a namespace of its own (uts)"}),
    name_of);

/// A restoring that hangs, as one that waits for a lock does, ends within its own limit.
TEST_F(Holding, GoesOnSoonWhereRestoringHangs) {
  if (const auto why = start("nothing", "100000"); !why.empty()) GTEST_SKIP() << why;
  const auto path = text(a->ask({"devices"}).at("criu").as_object(), "path");
  const auto stuck = dir.path() / "criu";
  std::ofstream(stuck) << "#!/bin/sh\n[ \"$1\" = swrk ] && sleep 600\nexec " << path << " \"$@\"\n";
  std::filesystem::permissions(stuck, std::filesystem::perms::owner_all);
  Host c(dir.path() / "c", {.name = "c", .more = {"--criu", stuck.string()}});
  const auto begin = std::chrono::steady_clock::now();
  const auto outcome = a->command(words(c));
  // 5 s to restore, and as long at most for the source to go on.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("CRIU did not restore the process within"));
  EXPECT_TRUE(a->steps_again_within("job", 5s)) << a->log() << c.log();
  EXPECT_TRUE(within(5s, [&] { return c.leftovers().empty(); })) << c.leftovers();
}

}  // namespace
}  // namespace cardswap::test
