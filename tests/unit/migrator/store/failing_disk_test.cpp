/// Method: a real process saves a snapshot into a folder, or prunes one, while tests/stand_ins/disk
/// stands in front of the C library. It counts the calls of an undisturbed run; then for each of
/// them a run ends there, by a kill or with the power, or the call fails as disks do. Whatever is
/// left, the newest snapshot is whole to the last byte, nothing of another one is there, and the
/// next save works.
///
/// faults_test.cpp does the same inside of one process, before each call that the store announces;
/// here it is the calls that are made, and what a disk answers.

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "migrator/base/error.h"
#include "migrator/store/check_store.h"
#include "migrator/store/file_store.h"
#include "migrator/store/names.h"
#include "migrator/store/prune.h"
#include "tests/support/needs.h"
#include "tests/support/process.h"
#include "tests/support/sanitizer.h"
#include "tests/unit/migrator/store/sample.h"

namespace cardswap::store {
namespace {

namespace fs = std::filesystem;
using cardswap::test::Outcome;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kKilled = 128 + 9;
constexpr int kAtOnce = 2;  // runs

/// The same words in each run: the writer's name is in the manifest, and decides about its folder.
const std::vector<std::string> kSaveThird{"save", "300", "w"};

/// A folder where a flush costs nothing.
fs::path quick_folder(const std::string& name) {
  static std::atomic<int> made{0};
  const auto folder = fs::path("/dev/shm") / ("cs-disk-" + std::to_string(::getpid()) + "-" + name +
                                              "-" + std::to_string(made++));
  fs::remove_all(folder);
  return folder;
}

/// Removes what a run left.
class Folder {
 public:
  /// Empty: no folder is made.
  explicit Folder(const fs::path& copy_of = {}) : path_(quick_folder("run")) {
    if (!copy_of.empty()) fs::copy(copy_of, path_, fs::copy_options::recursive);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    fs::remove_all(path_.string() + ".kept", ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  const fs::path path_;
};

/// One call of the undisturbed run.
struct Call {
  std::size_t number = 0;
  std::string kind;  ///< look, change, write or flush
  std::string name;
  std::string path;
};
std::ostream& operator<<(std::ostream& out, const Call& call) {
  return out << "call " << call.number << ", " << call.name << " " << call.path;
}

class FailingDisk : public testing::Test {
 protected:
  FailingDisk() {
    const auto store = open_or_create_file_store(base_);
    ensure_store_file(*store, "store-1");
    (void)test::save(*store, first_);
    (void)test::save(*store, second_, "w", &first_);
  }
  ~FailingDisk() override { fs::remove_all(base_); }

  void SetUp() override {
    if (cardswap::test::kPatience > 1) {
      return cardswap::test::skip_without("unsanitized", "a sanitizer must be loaded first");
    }
  }

  /// Runs the saver over a folder; `disk`: the words of the stand-in, "DISK_AT=3".
  static Outcome run(const std::vector<std::string>& words, const fs::path& folder,
                     const std::vector<std::string>& disk) {
    std::vector<std::string> argv{"env", "LD_PRELOAD=" STAND_IN_DISK,
                                  "DISK_FOLDER=" + folder.string()};
    argv.insert(argv.end(), disk.begin(), disk.end());
    argv.insert(argv.end(), {SAVER, words[0], folder.string()});
    argv.insert(argv.end(), words.begin() + 1, words.end());
    return cardswap::test::run(argv);
  }
  static Outcome save_third(const fs::path& folder, std::vector<std::string> disk = {}) {
    return run(kSaveThird, folder, disk);
  }

  /// The calls of an undisturbed run, in their order.
  static std::vector<Call> calls_of(const std::vector<std::string>& words, const fs::path& base,
                                    const std::vector<std::string>& disk = {}) {
    const Folder folder(base);
    const auto list = folder.path().string() + ".calls";
    auto all = disk;
    all.push_back("DISK_CALLS=" + list);
    const auto outcome = run(words, folder.path(), all);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    std::vector<Call> calls;
    std::ifstream lines(list);
    for (Call call; lines >> call.kind >> call.name >> call.path;) {
      std::string rest;
      std::getline(lines, rest);  // "(deleted)"
      call.number = calls.size();
      calls.push_back(call);
    }
    fs::remove(list);
    return calls;
  }
  static std::vector<Call> changes_in(const std::vector<Call>& calls) {
    std::vector<Call> found;
    std::ranges::copy_if(calls, std::back_inserter(found),
                         [](const Call& call) { return call.kind != "look"; });
    return found;
  }

  /// All changes, and of the looks, which are many and alike, one of so many.
  static std::vector<Call> with_some_looks(std::vector<Call> calls, std::size_t one_of) {
    std::erase_if(
        calls, [&](const Call& call) { return call.kind == "look" && call.number % one_of != 0; });
    return calls;
  }

  /// Several at a time: what `judge` expects of one run does not depend on another.
  template <class Judge>
  static void for_each(const std::vector<Call>& calls, Judge judge) {
    std::atomic<std::size_t> next{0};
    std::vector<std::jthread> threads;
    for (int i = 0; i < kAtOnce; ++i) {
      threads.emplace_back([&] {
        for (auto at = next++; at < calls.size() && !HasFailure(); at = next++) judge(calls[at]);
      });
    }
  }

  /// What is there after a run that was disturbed: the third snapshot or the one before it, whole.
  void expect_whole(const fs::path& folder, const Outcome& outcome, const std::string& how) const {
    const auto store = open_or_create_file_store(folder);
    EXPECT_THAT(check_store(*store), IsEmpty()) << how;
    const auto newest = test::latest(*store);
    ASSERT_TRUE(newest) << how;
    EXPECT_TRUE(test::holds(*store, *newest, newest->number == 3 ? third_ : second_)) << how;
    if (outcome.out.find("published 3") != std::string::npos) {
      EXPECT_EQ(newest->number, 3U) << how << ": it was told that it is published";
    }
    EXPECT_TRUE(test::holds(*store, refs_of(*store, "gpt").refs[0], first_)) << how;
    const auto next = test::save(*store, third_, "next", nullptr);
    EXPECT_EQ(next.number, newest->number + 1) << how;
    EXPECT_TRUE(test::holds(*store, next, third_)) << how;
  }
  /// The same where there was no store before.
  void expect_a_store_can_be_made(const fs::path& folder, const Outcome& outcome,
                                  const std::string& how) const {
    const auto store = open_or_create_file_store(folder);
    ASSERT_NO_THROW((void)ensure_store_file(*store, "store-2")) << how;
    const auto newest = test::latest(*store);
    if (outcome.out.find("published 1") != std::string::npos) {
      ASSERT_TRUE(newest) << how;
    }
    EXPECT_TRUE(!newest || test::holds(*store, *newest, third_)) << how;
    EXPECT_TRUE(test::holds(*store, test::save(*store, second_, "next"), second_)) << how;
    EXPECT_THAT(check_store(*store), IsEmpty()) << how;
  }

  const fs::path base_ = quick_folder("base");
  const test::State first_ = test::state_at(100);
  const test::State second_ = test::state_at(200);
  const test::State third_ = test::state_at(300);
};

std::string said(const Call& call, const std::string& deed, const Outcome& outcome) {
  std::ostringstream text;
  text << deed << " at " << call << ": exit " << outcome.exit_code << " " << outcome.out
       << outcome.err;
  return text.str();
}

std::vector<std::string> deed_at(const std::string& deed, const Call& call) {
  return {"DISK_DOES=" + deed, "DISK_AT=" + std::to_string(call.number)};
}

/// A stand-in that misses the calls would find nothing, whatever the store did.
TEST_F(FailingDisk, SeesTheCallsOfASave) {
  std::map<std::string, int> count;
  for (const auto& call : calls_of(kSaveThird, base_)) ++count[call.name];
  for (const auto* name :
       {"mkdirat", "openat", "write", "pread", "linkat", "unlinkat", "fstatat", "readdir"}) {
    EXPECT_GE(count[name], 1) << name;
  }
  EXPECT_GE(count["write"], 6) << "intent, packs, nodes, manifest, ref and tag";
  EXPECT_GE(count["fsync"], 2 * count["write"]) << "each file and its folders";
}

TEST_F(FailingDisk, AKilledSaveLeavesTheNewestSnapshotWhole) {
  const auto changes = changes_in(calls_of(kSaveThird, base_));
  std::atomic<int> published{0};
  for_each(changes, [&](const Call& call) {
    for (const auto* deed : {"kill", "half"}) {
      if (deed == std::string("half") && call.kind != "write") continue;
      const Folder folder(base_);
      const auto outcome = save_third(folder.path(), deed_at(deed, call));
      EXPECT_EQ(outcome.exit_code, kKilled) << said(call, deed, outcome);
      if (outcome.out.find("published") != std::string::npos) ++published;
      expect_whole(folder.path(), outcome, said(call, deed, outcome));
    }
  });
  EXPECT_GT(changes.size(), 50U);
  EXPECT_GT(published, 1) << "the last calls are behind the commit";
}

/// Pitfall: a disk that promised too early. What was not flushed is lost, with the names or
/// without.
TEST_F(FailingDisk, ThePowersEndLeavesTheNewestSnapshotWhole) {
  for_each(changes_in(calls_of(kSaveThird, base_)), [&](const Call& call) {
    for (const auto* deed : {"cut", "cut_bytes"}) {
      const Folder folder(base_);
      const auto outcome = save_third(folder.path(), deed_at(deed, call));
      EXPECT_EQ(outcome.exit_code, kKilled) << said(call, deed, outcome);
      expect_whole(folder.path(), outcome, said(call, deed, outcome));
    }
  });
}

TEST_F(FailingDisk, AFirstSaveThatEndsLeavesAFolderForTheNext) {
  for_each(changes_in(calls_of(kSaveThird, {})), [&](const Call& call) {
    for (const auto* deed : {"kill", "cut", "cut_bytes"}) {
      const Folder folder;
      const auto outcome = save_third(folder.path(), deed_at(deed, call));
      EXPECT_EQ(outcome.exit_code, kKilled) << said(call, deed, outcome);
      expect_a_store_can_be_made(folder.path(), outcome, said(call, deed, outcome));
    }
  });
}

TEST_F(FailingDisk, WithoutUnnamedFilesASaveThatEndsLeavesTheNewestSnapshotWhole) {
  const std::string absent = "DISK_UNNAMED=absent";
  for_each(changes_in(calls_of(kSaveThird, base_, {absent})), [&](const Call& call) {
    for (const auto* deed : {"kill", "half", "cut", "cut_bytes"}) {
      if (deed == std::string("half") && call.kind != "write") continue;
      const Folder folder(base_);
      auto disk = deed_at(deed, call);
      disk.push_back(absent);
      const auto outcome = save_third(folder.path(), disk);
      EXPECT_EQ(outcome.exit_code, kKilled) << said(call, deed, outcome);
      expect_whole(folder.path(), outcome, said(call, deed, outcome));
    }
  });
}

/// A call, once: it succeeds when it is tried again, and the bytes of a flush that failed are
/// lost.
TEST_F(FailingDisk, ACallThatFailsOnceLosesAtMostItsSnapshot) {
  std::atomic<int> failed{0};
  for_each(with_some_looks(calls_of(kSaveThird, base_), 2), [&](const Call& call) {
    const Folder folder(base_);
    const auto outcome = save_third(folder.path(), deed_at("EIO", call));
    const auto how = said(call, "EIO", outcome);
    EXPECT_THAT(outcome.exit_code, AnyOf(0, 1)) << how;
    if (outcome.exit_code == 0) {
      EXPECT_EQ(call.name, "close") << "a failure that nobody was told of: " << how;
    } else {
      ++failed;
      EXPECT_THAT(outcome.err, HasSubstr("Input/output error")) << how;
    }
    if (call.kind == "flush" && call.path.find('#') != std::string::npos) {
      EXPECT_EQ(outcome.exit_code, 1) << "a flush that failed once is not tried again: " << how;
    }
    expect_whole(folder.path(), outcome, how);
  });
  EXPECT_GT(failed, 100);
}

/// From that call on nothing more can be written, as on a disk that is full or became read-only.
TEST_F(FailingDisk, AFullOrReadOnlyDiskLosesAtMostItsSnapshot) {
  const std::map<std::string, std::string> texts{{"ENOSPC", "No space left on device"},
                                                 {"EDQUOT", "Disk quota exceeded"},
                                                 {"EROFS", "Read-only file system"}};
  for_each(changes_in(calls_of(kSaveThird, base_)), [&](const Call& call) {
    for (const auto& [error, text] : texts) {
      const Folder folder(base_);
      const auto outcome = save_third(folder.path(), deed_at(error, call));
      const auto how = said(call, error, outcome);
      const bool frees = call.name == "unlinkat" && error != "EROFS";
      if (!frees || outcome.exit_code != 0) {
        EXPECT_EQ(outcome.exit_code, 1) << how;
        EXPECT_THAT(outcome.err, HasSubstr(text)) << how;
        EXPECT_THAT(outcome.err, AnyOf(HasSubstr("jobs/"), HasSubstr("packs/"), HasSubstr("nodes/"),
                                       HasSubstr("manifests/")))
            << how;
      }
      expect_whole(folder.path(), outcome, how);
    }
  });
}

TEST_F(FailingDisk, ReadsAndWritesMayTakeLessThanAsked) {
  const Folder folder(base_);
  const auto outcome = save_third(folder.path(), {"DISK_DOES=shorten"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  expect_whole(folder.path(), outcome, "shortened");
}

/// Of the first of three snapshots. What is in trash may come back with the power; it is removed
/// then.
TEST_F(FailingDisk, APruneThatEndsOrFailsKeepsTheOthersWhole) {
  const auto store = open_or_create_file_store(base_);
  const auto three = test::save(*store, third_, "w", &second_);
  const std::vector<std::string> words{"prune", "1"};
  PruneOrder again;  // by a process that lives
  again.surplus["gpt"] = {1};
  again.now_s = 1000;
  again.grace_s = 0;
  const auto calls = with_some_looks(calls_of(words, base_), 13);
  std::atomic<int> runs{0};
  for_each(calls, [&](const Call& call) {
    for (const auto* deed : {"kill", "cut", "cut_bytes", "EIO", "EROFS"}) {
      if (call.kind == "look" && deed != std::string("EIO")) continue;
      const Folder folder(base_);
      const auto outcome = run(words, folder.path(), deed_at(deed, call));
      const auto how = said(call, deed, outcome);
      ++runs;
      const auto left = open_or_create_file_store(folder.path());
      const auto refs = refs_of(*left, "gpt").refs;
      ASSERT_GE(refs.size(), 2U) << how;
      for (const auto& ref : refs) {
        EXPECT_TRUE(test::holds(*left, ref,
                                ref.number == 1   ? first_
                                : ref.number == 2 ? second_
                                                  : third_))
            << how;
      }
      for (int i = 0; i < 4; ++i) EXPECT_THAT(prune(*left, again).damaged, IsEmpty()) << how;
      EXPECT_TRUE(test::holds(*left, three, third_)) << how;
      EXPECT_FALSE(left->size_of(ref_name("gpt", 1))) << how;
      EXPECT_THAT(check_store(*left), IsEmpty()) << how;
    }
  });
  EXPECT_GT(runs, 100);
}

}  // namespace
}  // namespace cardswap::store
