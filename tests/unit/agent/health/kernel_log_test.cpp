// How far a kernel log was read, over restarts of its reader: real files, rotated as log daemons
// do.
#include "agent/health/sources/kernel_log.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <utility>

#include "agent/base/boot.h"

namespace cardswap::health {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class KernelLog : public ::testing::Test {
 protected:
  KernelLog() {
    std::string name = "/tmp/cardswap-log-XXXXXX";
    dir_ = ::mkdtemp(name.data());
  }
  ~KernelLog() override {
    std::error_code gone;
    std::filesystem::remove_all(dir_, gone);
  }
  std::filesystem::path file(const std::string& name = "kern.log") const { return dir_ / name; }
  void append(const std::string& text, const std::string& name = "kern.log") {
    std::ofstream(file(name), std::ios::app | std::ios::binary) << text;
  }
  /// What a reader sees that begins at the place of the last one, until all was read.
  std::vector<std::string> read() {
    boost::asio::io_context context;
    TaskGroup tasks(context);
    std::vector<std::string> lines;
    auto events = events_into(lines);
    events.caught_up = [&] { boost::asio::post(context, [&] { tasks.stop(); }); };
    tasks.spawn("follow", follow_log(context, file(), place_, events));
    while (!tasks.empty()) context.run_one();
    return lines;
  }
  /// What it sees that goes on reading while `meanwhile` is done, once all was read: `count` lines.
  std::vector<std::string> follow(const std::function<void()>& meanwhile, std::size_t count) {
    boost::asio::io_context context;
    TaskGroup tasks(context);
    std::vector<std::string> lines;
    auto events = events_into(lines);
    bool done = false;
    events.caught_up = [&] {
      if (!std::exchange(done, true)) meanwhile();
    };
    tasks.spawn("follow", follow_log(context, file(), place_, events));
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (lines.size() < count && std::chrono::steady_clock::now() < until) {
      context.run_one_for(std::chrono::milliseconds(50));
    }
    tasks.stop();
    while (!tasks.empty()) context.run_one();
    return lines;
  }
  LogCallbacks events_into(std::vector<std::string>& lines) {
    lost_.clear();
    LogCallbacks events;
    events.line = [this, &lines](std::string_view line, const KernelReader::Since& since) {
      lines.emplace_back(line);
      since_ = since;
    };
    events.state = [](const std::string&) {};
    events.lost = [this](std::string what) { lost_.push_back(std::move(what)); };
    events.cursor = [this](LogCursor cursor) {
      // As the journal keeps it.
      place_ = cursor_from(to_json(cursor));
    };
    return events;
  }

  std::filesystem::path dir_;
  std::optional<LogCursor> place_;
  std::vector<std::string> lost_;
  KernelReader::Since since_;
};

TEST_F(KernelLog, BeginsAtItsEndAndGoesOnWhereItWasLeft) {
  append("one\ntwo\n");
  EXPECT_THAT(read(), IsEmpty());
  append("three\nfo");
  EXPECT_THAT(read(), ElementsAre("three"));
  append("ur\n");
  EXPECT_THAT(read(), ElementsAre("four")) << "a line that was half there is read whole";
  EXPECT_THAT(read(), IsEmpty());
}

TEST_F(KernelLog, ReadsWhatWasWrittenBeforeItsFileWasRenamedAndAfter) {
  append("one\n");
  (void)read();
  append("two\n");
  std::filesystem::rename(file(), file("kern.log.1"));
  append("three\n");
  std::filesystem::rename(file("kern.log.1"), file("kern.log.2"));
  std::filesystem::rename(file(), file("kern.log.1"));
  append("four\n");
  EXPECT_THAT(read(), ElementsAre("two", "three", "four"));
  EXPECT_THAT(lost_, IsEmpty());
  EXPECT_THAT(read(), IsEmpty());
}

TEST_F(KernelLog, FindsItsPlaceInTheCopyOfAFileThatWasEmptied) {
  append("one\n");
  (void)read();
  append("two\n");
  std::filesystem::copy_file(file(), file("kern.log-20261128"));
  std::filesystem::resize_file(file(), 0);
  append("three\n");
  EXPECT_THAT(read(), ElementsAre("two", "three"));
  EXPECT_THAT(lost_, IsEmpty());
}

TEST_F(KernelLog, IsFollowedToTheFileThatTakesItsPlace) {
  append("one\n");
  const auto rotate = [&] {
    append("two\n");
    std::filesystem::rename(file(), file("kern.log.1"));
    append("three\n", "kern.log.1");  // its writer has not noticed yet
    append("four\n");
  };
  EXPECT_THAT(follow(rotate, 3), ElementsAre("two", "three", "four"));
}

TEST_F(KernelLog, IsReadFromItsStartWhenItIsEmptiedMeanwhile) {
  append("the first\n");
  const auto empty = [&] {
    std::filesystem::resize_file(file(), 0);
    append("two\n");
  };
  EXPECT_THAT(follow(empty, 1), ElementsAre("two"));
}

TEST_F(KernelLog, SaysSoWhenItsFileIsGoneAndReadsTheNewOne) {
  append("one\n");
  (void)read();
  std::filesystem::remove(file());
  append("another\n", "new");
  std::filesystem::rename(file("new"), file());
  EXPECT_THAT(read(), ElementsAre("another"));
  EXPECT_THAT(lost_, ElementsAre(HasSubstr("another file")));
}

TEST_F(KernelLog, SaysWhichLinesMayBeOlderThanTheBoot) {
  append("one\n");
  (void)read();
  append("two\n");
  (void)read();
  EXPECT_FALSE(since_.other_boot);
  place_->boot = "another boot";
  append("three\n");
  EXPECT_THAT(read(), SizeIs(1));
  EXPECT_TRUE(since_.other_boot);
  EXPECT_EQ(since_.wall, booted_at_ms());
}

TEST(KmsgSequence, IsTheSecondNumber) {
  EXPECT_EQ(kmsg_sequence("4,1290,98766002,-;NVRM: x"), 1290U);
  EXPECT_FALSE(kmsg_sequence("x"));
  EXPECT_FALSE(kmsg_sequence(" SUBSYSTEM=pci"));
}

}  // namespace
}  // namespace cardswap::health
