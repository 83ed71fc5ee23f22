/// Method: a trainer that holds some things more (tests/stand_ins/kinds), two agents, the real
/// CRIU. What the preflight lets pass is moved there and back and is still what it was; whatever
/// else is refused by the dry run, each with its reason and for no other, and by `migrate` in the
/// same words, while the job trains on.

#include <gmock/gmock.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <iostream>
#include <optional>
#include <regex>

#include "tests/support/hosts.h"
#include "tests/support/leftovers.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;

struct Kind {
  std::string with;
  std::string reason = {};    ///< empty: it moves
  bool of_the_fault = false;  ///< stays only where CRIU has its fault with network sockets
};
struct Group {
  std::string name;
  std::vector<Kind> kinds;
};
std::ostream& operator<<(std::ostream& out, const Group& group) { return out << group.name; }
std::string name_of(const ::testing::TestParamInfo<Group>& info) { return info.param.name; }

class Holding : public ::testing::Test {
 protected:
  /// What this needs and the machine lacks; none: `job` trains, and `held` is what it holds.
  std::optional<Lack> start(const std::vector<Kind>& kinds) {
    if (kPatience > 1)
      return Lack{"unsanitized", "a sanitizer's shadow memory is no part of an image"};
    a = std::make_unique<Host>(dir.path() / "a", HostOptions{.name = "a"});
    const auto criu = a->ask({"devices"}).at("criu").as_object();
    if (const auto problem = text(criu, "problem"); !problem.empty()) {
      return Lack{"criu", problem};
    }
    b = std::make_unique<Host>(dir.path() / "b", HostOptions{.name = "b"});
    std::filesystem::create_directory(own());
    std::vector<std::string> program{HOLDS, "--dir", own().string(), "--loss-log",
                                     (dir.path() / "losses").string()};
    for (const auto& kind : kinds) {
      if (kind.of_the_fault && text(criu, "network_fault").empty()) continue;
      program.insert(program.end(), {"--with", kind.with});
      held.push_back(kind);
    }
    a->run_job("job", program);
    if (!within(20s, [&] { return a->step_of("job") >= 2; })) {
      ADD_FAILURE() << a->log() << a->command({"logs", "job"}).out;
    }
    const auto missing = a->command({"logs", "job"}).out;
    std::cout << missing;
    std::erase_if(held, [&](const Kind& kind) {
      return missing.find("no " + kind.with + ": ") != std::string::npos;
    });
    if (!kinds.empty() && held.empty()) return Lack{"kinds", "this machine has none: " + missing};
    return std::nullopt;
  }
  [[nodiscard]] std::filesystem::path own() const { return dir.path() / "own"; }
  [[nodiscard]] static std::vector<std::string> words(const Host& to) {
    return {"migrate", "job", "--to", to.at("cpu:0"), "--arrive", "criu", "--max-downtime", "none"};
  }

  TempDir dir;
  NothingOutlives guard{dir.path()};
  std::unique_ptr<Host> a;
  std::unique_ptr<Host> b;
  std::vector<Kind> held;
};

class Moving : public Holding, public ::testing::WithParamInterface<Group> {};

TEST_P(Moving, IsWhatItWasWhenItCameBack) {
  if (const auto lack = start(GetParam().kinds)) return skip_without(*lack);
  EXPECT_EQ(text(a->ask(words(*b)), "state"), "completed") << a->log() << b->log();
  EXPECT_EQ(text(b->ask(words(*a)), "state"), "completed") << a->log() << b->log();
  std::ofstream(own() / "end") << "";
  ASSERT_TRUE(a->ended_within("job", 20s));
  EXPECT_EQ(number(a->job("job"), "exit_code"), 0) << a->command({"logs", "job"}).out;
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Moving,
    ::testing::Values(
        Group{"Handles",
              {{"eventfd"}, {"epoll"}, {"signalfd"}, {"timerfd"}, {"inotify"}, {"own-pidfd"}}},
        Group{"Files",
              {{"sealed-memfd"},
               {"unix-socket"},
               {"unix-pair"},
               {"netlink"},
               {"pipe"},
               {"own-proc-file"},
               {"proc-file"},
               {"proc-folder"},
               {"sys-file"},
               {"memory-devices"},
               {"folder"}}},
        Group{"Processes",
              {{"child"},
               {"shared-memory"},
               {"transparent-huge-pages"},
               {"locked-memory"},
               {"process-timer"},
               {"posix-timer"},
               {"seccomp"}}}),
    name_of);

class Staying : public Holding, public ::testing::WithParamInterface<Group> {
 protected:
  /// What keeps it here, by the dry run, without the numbers of descriptors.
  [[nodiscard]] std::vector<std::string> reasons() const {
    auto dry = words(*b);
    dry.insert(dry.begin(), {"-o", "json"});
    dry.emplace_back("--dry-run");
    const auto outcome = a->command(dry);
    EXPECT_EQ(outcome.exit_code, 3);
    const auto plan = boost::json::parse(outcome.out).as_object();
    EXPECT_FALSE(plan.at("allowed").as_bool());
    std::vector<std::string> said;
    for (const auto& blocked : plan.at("blocked_reasons").as_array()) {
      said.push_back(without_numbers(std::string(blocked.as_string())));
    }
    return said;
  }
  [[nodiscard]] static std::string without_numbers(const std::string& text) {
    static const std::regex number("( \\(fd [0-9]+\\)|, fd [0-9]+)");
    return std::regex_replace(text, number, "");
  }
};

TEST_P(Staying, IsRefusedByTheDryRunAndByMigrateInTheSameWords) {
  if (const auto lack = start(GetParam().kinds)) return skip_without(*lack);
  const auto said = reasons();
  for (const auto& kind : held) EXPECT_THAT(said, Contains(HasSubstr(kind.reason))) << kind.with;
  for (const auto& reason : said) {
    EXPECT_TRUE(std::ranges::any_of(
        held, [&](const Kind& kind) { return reason.find(kind.reason) != std::string::npos; }))
        << "nothing was held for: " << reason;
  }
  const auto outcome = a->command(words(*b));
  EXPECT_NE(outcome.exit_code, 0);
  const auto refused = without_numbers(outcome.err);
  for (const auto& reason : said) EXPECT_THAT(refused, HasSubstr(reason));
  EXPECT_TRUE(a->steps_again_within("job", 5s));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Staying,
    ::testing::Values(Group{"Locks",
                            {{"flock", "holds a lock (FLOCK) on /"},
                             {"posix-lock", "holds a lock (POSIX) on /"},
                             {"ofd-lock", "holds a lock (OFDLCK) on /"},
                             {"lease", "holds a lock (LEASE) on /"}}},
                      Group{"Sockets",
                            {{"tcp", "has a TCP socket open", true},
                             {"udp6", "has a UDPv6 socket open", true},
                             {"vsock", "the protocol AF_VSOCK"},
                             {"packet", "the protocol PACKET"},
                             {"raw", "the protocol RAW"},
                             {"bound-netlink", "over a netlink socket"},
                             {"named-unix-socket", "a unix socket that others may call (/"}}},
                      Group{"Handles",
                            {{"other-proc-file", "/proc/1/stat open"},
                             {"other-pidfd", "a handle (pidfd) of process"},
                             {"namespace", "has net:["},
                             {"alarm-timerfd", "of clock 9"},
                             {"semaphore-eventfd", "has eventfd that is a semaphore open"},
                             {"watching-inotify", "watches files with inotify"},
                             {"fanotify", "has fanotify open"},
                             {"io-uring", "uses io_uring"},
                             {"aio", "asynchronous I/O of the kernel"},
                             {"userfaultfd", "has userfaultfd open"},
                             {"perf", "has perf_event open"},
                             {"bpf", "has bpf-map open"}}},
                      Group{"Memory",
                            {{"secret-memory", "secret memory"},
                             {"huge-memfd", "a file of huge pages"},
                             {"huge-pages", "uses huge pages"},
                             {"message-queue", "a POSIX message queue"},
                             {"system-v-memory", "System V"}}},
                      Group{"Files",
                            {{"deleted-file", "/deleted-file/gone open, which was deleted"},
                             {"replaced-file", "/replaced-file/data open, which was deleted"},
                             {"unnamed-file", "/unnamed-file/#"},
                             {"named-pipe", "the named pipe /"},
                             {"packet-pipe", "keeps writes apart"},
                             {"terminal", "has the terminal /dev/p"},
                             {"device", "has the device /dev/kmsg open"},
                             {"deleted-folder", "works in a folder that was deleted"}}},
                      Group{"Processes",
                            {{"child-in-a-namespace", "has a namespace of its own (uts)"},
                             {"orphan",
                              "(holds) belongs to the job and is no child of it any more"}}}),
    name_of);

/// A restoring that hangs, as one that waits for a lock does, ends within its own limit.
TEST_F(Holding, GoesOnSoonWhereRestoringHangs) {
  if (const auto lack = start({})) return skip_without(*lack);
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
