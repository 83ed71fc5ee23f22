#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "migrator/base/error.h"
#include "migrator/store/check_store.h"
#include "migrator/store/file_store.h"
#include "migrator/store/in_memory_store.h"
#include "migrator/store/names.h"
#include "migrator/store/prune.h"
#include "tests/support/needs.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/migrator/store/sample.h"

namespace cardswap::store {
namespace {

using testing::Contains;
using testing::Field;
using testing::IsEmpty;
using testing::Not;

constexpr int kKilled = 9;

/// Runs `work` in a child of this process; how that ended.
int in_child(const std::function<void()>& work) {
  const auto child = ::fork();
  if (child == 0) {
    try {
      work();
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// A folder where a flush costs nothing: what is tested is order, and a process is what ends.
std::filesystem::path quick_folder(const std::string& name) {
  const auto folder = std::filesystem::path("/dev/shm") / (name + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  return folder;
}

/// A copy of a store, which `change` may damage.
class Copy {
 public:
  explicit Copy(const std::filesystem::path& from) : folder_(quick_folder("cs-copy-")) {
    std::filesystem::copy(from, folder_, std::filesystem::copy_options::recursive);
  }
  ~Copy() { std::filesystem::remove_all(folder_); }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  void write(const std::string& name, std::span<const std::byte> bytes) const {
    std::filesystem::remove(folder_ / name);
    std::ofstream out(folder_ / name, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }
  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }

 private:
  const std::filesystem::path folder_;
};

/// A store with two snapshots of one job.
class Saved : public testing::Test {
 protected:
  Saved() {
    store_ = open_or_create_file_store(folder_);
    ensure_store_file(*store_, "store-1");
    one_ = test::save(*store_, first_);
    two_ = test::save(*store_, second_, "w", &first_);
    put_tag(*store_, "gpt", {"best", 1});
  }
  ~Saved() override { std::filesystem::remove_all(folder_); }

  const std::filesystem::path folder_ = quick_folder("cs-saved-");
  const test::State first_ = test::state_at(100);
  const test::State second_ = test::state_at(200);
  std::unique_ptr<FileStore> store_;
  Ref one_, two_;
};

/// Method: a child saves a snapshot and ends before its n-th call to the disk, for every n.
/// Whatever it left, the store names a snapshot that is whole, and the next save works.
TEST_F(Saved, SurvivesTheEndOfAWriterAtEveryCallToTheDisk) {
  const auto third = test::state_at(300);
  int calls = 0;
  int published = 0;
  for (int status = kKilled; status == kKilled; ++calls) {
    const Copy copy(folder_);
    status = in_child([&] {
      int left = calls;
      FileStore dying(copy.path(), [&](std::string_view, const std::string&) {
        if (left-- == 0) ::_exit(kKilled);
      });
      (void)test::save(dying, third, "dying", &second_);
    });
    ASSERT_TRUE(status == kKilled || status == 0) << "call " << calls;
    const auto store = open_or_create_file_store(copy.path());
    EXPECT_THAT(check_store(*store), IsEmpty()) << "call " << calls;
    const auto newest = test::latest(*store);
    ASSERT_TRUE(newest) << "call " << calls;
    EXPECT_TRUE(test::holds(*store, *newest, newest->number == 3 ? third : second_))
        << "call " << calls;
    if (newest->number == 3) ++published;
    const auto next = test::save(*store, third, "next", nullptr);
    EXPECT_EQ(next.number, newest->number + 1);
    EXPECT_TRUE(test::holds(*store, next, third));
  }
  EXPECT_GT(calls, 40);
  EXPECT_GT(published, 1) << "the last calls come behind the commit";
}

/// Method: the same with a call that fails in place of the end of the process.
TEST_F(Saved, SurvivesAFailureOfEveryCallToTheDisk) {
  const auto third = test::state_at(300);
  for (int n = 0, failed = 1; failed == 1; ++n) {
    const Copy copy(folder_);
    int left = n;
    failed = 0;
    FileStore failing(copy.path(), [&](std::string_view, const std::string& name) {
      if (left-- != 0) return;
      failed = 1;
      throw Error(Code::io, name + ": a disk that fails");
    });
    bool threw = false;
    try {
      (void)test::save(failing, third, "failing", &second_);
    } catch (const Error& e) {
      threw = true;
      EXPECT_EQ(e.code(), Code::io);
    }
    EXPECT_EQ(threw, failed == 1) << "call " << n;
    const auto newest = test::latest(failing);
    ASSERT_TRUE(newest);
    EXPECT_TRUE(test::holds(failing, *newest, newest->number == 3 ? third : second_))
        << "call " << n;
  }
}

/// Method: one bit of each object is changed, at many places; then it is cut off, filled with
/// zeros, taken away. Each time the check of the store names it, and no byte of it is believed.
TEST_F(Saved, NamesEveryObjectThatIsDamaged) {
  for (const auto& name : list_all(*store_, "")) {
    const auto whole = get(*store_, name, kPackBytesMax);
    const auto is_named = [&](std::span<const std::byte> bytes, const std::string& how) {
      const Copy copy(folder_);
      copy.write(name, bytes);
      EXPECT_THAT(check_store(*open_or_create_file_store(copy.path())),
                  Contains(Field(&Damage::object, name)))
          << name << " " << how;
    };
    // JSON that names nobody may read well with another letter; what it says is held otherwise.
    const bool proves_itself = id_in_name(name).has_value();
    const auto stride = std::max<std::size_t>(1, whole.size() / 60);
    for (std::size_t at = 0; proves_itself && at < whole.size(); at += stride) {
      auto bytes = whole;
      bytes[at] ^= static_cast<std::byte>(1U << (at % 8));
      is_named(bytes, "bit at " + std::to_string(at));
    }
    is_named(std::span(whole).first(whole.size() / 2), "cut off");
    is_named(std::vector<std::byte>(whole.size()), "zeros");
    is_named({}, "empty");
  }
}

TEST_F(Saved, FindsARefWhoseBitsChanged) {
  const auto name = ref_name("gpt", 2);
  const auto whole = get(*store_, name, kRefBytesMax);
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    auto bytes = whole;
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    InMemoryStore store;
    for (const auto& other : list_all(*store_, "")) {
      (void)store.put_new(other, other == name ? bytes : get(*store_, other, kPackBytesMax));
    }
    PackCatalog catalog;
    catalog.refresh(store);
    bool is_refused = true;
    for (const auto& ref : refs_of(store, "gpt").refs) {
      if (ref.number != 2) continue;
      try {
        const SnapshotReader reader(store, catalog, ref);
        is_refused = false;
      } catch (const Error&) {
        is_refused = true;
      }
    }
    EXPECT_TRUE(is_refused) << "bit " << bit;
  }
}

TEST_F(Saved, IsNotBelievedWithAnotherValidPackInAPacksPlace) {
  const auto packs = list_all(*store_, kPacks);
  ASSERT_GE(packs.size(), 2U);
  const Copy copy(folder_);
  copy.write(packs[0], get(*store_, packs[1], kPackBytesMax));
  const auto store = open_or_create_file_store(copy.path());
  EXPECT_THAT(check_store(*store), Contains(Field(&Damage::object, packs[0])));
  EXPECT_THROW((void)(test::holds(*store, one_, first_) && test::holds(*store, two_, second_)),
               Error);
}

TEST_F(Saved, NamesWhatAHalfCopyLacksAndNothingIsRemoved) {
  for (const auto& name : list_all(*store_, "")) {
    if (name.starts_with("jobs/") || name == kStoreFile) continue;
    const Copy copy(folder_);
    std::filesystem::remove(copy.path() / name);
    const auto store = open_or_create_file_store(copy.path());
    EXPECT_THAT(check_store(*store), Not(IsEmpty())) << name;
    const auto before = list_all(*store, "");
    PruneOrder order;
    order.now_s = 1'800'000'000;
    order.grace_s = 0;
    order.surplus["gpt"] = {1};
    const auto report = prune(*store, order);
    EXPECT_THAT(report.removed, IsEmpty()) << name;
    EXPECT_THAT(report.trashed, IsEmpty()) << name;
    EXPECT_EQ(list_all(*store, ""), before);
  }
}

TEST_F(Saved, IsTheSameStoreWhereverItIsCopied) {
  const Copy copy(folder_);
  const auto store = open_or_create_file_store(copy.path());
  EXPECT_TRUE(test::holds(*store, two_, second_));
  EXPECT_TRUE(test::holds(*store, test::save(*store, test::state_at(300)), test::state_at(300)));
}

TEST_F(Saved, LosesWhatIsPrunedAndKeepsTheRest) {
  const auto third = test::state_at(300);
  const auto three = test::save(*store_, third, "w", &second_);
  PruneOrder order;
  order.surplus["gpt"] = {1};
  order.now_s = 1000;
  order.grace_s = 100;
  EXPECT_THAT(prune(*store_, order).trashed, Contains(ref_name("gpt", 1)));
  EXPECT_EQ(refs_of(*store_, "gpt").refs.size(), 2U) << "what is in trash is not shown";
  order.now_s = 1099;
  EXPECT_THAT(prune(*store_, order).removed, IsEmpty()) << "the grace is not over";
  order.now_s = 1100;
  EXPECT_THAT(prune(*store_, order).removed, Contains(ref_name("gpt", 1)));
  EXPECT_TRUE(test::holds(*store_, two_, second_));
  EXPECT_TRUE(test::holds(*store_, three, third));
  EXPECT_THAT(list_all(*store_, kTrash), IsEmpty());
  EXPECT_FALSE(store_->size_of(manifest_name(one_.manifest)));
}

/// Method: scripts/read_snapshot.py, which has no code of this project, reads what the store holds.
TEST_F(Saved, IsReadByAProgramThatKnowsTheFormatAlone) {
  if (std::system("python3 -c 'import ctypes.util' 2>/dev/null") != 0) {  // NOLINT
    return cardswap::test::skip_without("python", "there is no python3");
  }
  const auto out = folder_.string() + ".out";
  const auto read = [&](const std::string& arguments) {
    const auto command =
        std::string("python3 -B " READ_SNAPSHOT " ") + folder_.string() + " " + arguments;
    return std::system((command + " >" + out + ".said 2>&1").c_str());  // NOLINT
  };
  EXPECT_EQ(read(""), 0);
  EXPECT_EQ(read("gpt@1"), 0);
  ASSERT_EQ(read("gpt@2 --region model/w -o " + out), 0);
  std::ifstream bytes(out, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(bytes), {});
  EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(text)), second_.memory[0]));
  EXPECT_NE(read("gpt@3"), 0);
  const auto node = list_all(*store_, kNodes)[0];
  std::filesystem::remove(folder_ / node);
  std::ofstream(folder_ / node) << "no node";
  EXPECT_TRUE(read("gpt@1") != 0 || read("gpt@2") != 0) << "a damaged node was believed";
  std::filesystem::remove(out);
  std::filesystem::remove(out + ".said");
}

/// Method: a prune ends before its n-th call to the disk, for every n; the next one goes on.
TEST_F(Saved, SurvivesTheEndOfAPruneAtEveryCallToTheDisk) {
  const auto third = test::state_at(300);
  const auto three = test::save(*store_, third, "w", &second_);
  PruneOrder order;
  order.surplus["gpt"] = {1};
  order.now_s = 1000;
  order.grace_s = 0;
  int status = kKilled;
  for (int calls = 0; status == kKilled; ++calls) {
    const Copy copy(folder_);
    status = in_child([&] {
      int left = calls;
      FileStore dying(copy.path(), [&](std::string_view, const std::string&) {
        if (left-- == 0) ::_exit(kKilled);
      });
      (void)prune(dying, order);
      (void)prune(dying, order);
    });
    ASSERT_TRUE(status == kKilled || status == 0);
    const auto store = open_or_create_file_store(copy.path());
    EXPECT_TRUE(test::holds(*store, two_, second_)) << calls;
    for (int i = 0; i < 3; ++i) (void)prune(*store, order);
    EXPECT_TRUE(test::holds(*store, two_, second_)) << calls;
    EXPECT_TRUE(test::holds(*store, three, third)) << calls;
    EXPECT_FALSE(store->size_of(ref_name("gpt", 1))) << calls;
    EXPECT_THAT(check_store(*store), IsEmpty()) << calls;
  }
}

TEST_F(Saved, KeepsWhatAWriterReliesOnUntilThatIsDone) {
  auto third = second_;
  third.step = 300;
  PruneOrder order;
  order.now_s = 1000;
  order.grace_s = 0;
  PackCatalog catalog;
  SnapshotWriter writer(*store_, catalog,
                        {.job = "gpt",
                         .layout = third.layout,
                         .chunk_bytes = test::kSampleChunk,
                         .writer = "slow",
                         .parent = two_});
  test::give(writer, third, &second_);
  order.surplus["gpt"] = {1, 2};
  EXPECT_THAT(prune(*store_, order).trashed, Not(IsEmpty()));
  EXPECT_THAT(prune(*store_, order).removed, IsEmpty()) << "the writer may not have seen it";
  const auto ref = writer.commit(test::facts_of(third));
  EXPECT_THAT(prune(*store_, order).removed, Contains(ref_name("gpt", 2)));
  EXPECT_TRUE(test::holds(*store_, ref, third));
}

TEST_F(Saved, IsGivenAnewWhatATrashedPackHas) {
  (void)test::save(*store_, test::state_at(300), "w", &second_);
  PruneOrder order;
  order.surplus["gpt"] = {1};
  order.now_s = 1000;
  order.grace_s = 0;
  EXPECT_THAT(prune(*store_, order).trashed, Contains(ref_name("gpt", 1)));
  PackCatalog catalog;
  SnapshotWriter writer(
      *store_, catalog,
      {.job = "gpt", .layout = first_.layout, .chunk_bytes = test::kSampleChunk, .writer = "late"});
  test::give(writer, first_);
  EXPECT_THAT(prune(*store_, order).removed, Contains(ref_name("gpt", 1)))
      << "a writer that came later holds nothing up";
  EXPECT_TRUE(test::holds(*store_, writer.commit(test::facts_of(first_)), first_));
}

/// Method: a store on a file system of so many KiB, from too few for anything on; then one with
/// room.
TEST(FullDisk, LeavesWhatWasThereAndIsGoneWithMoreRoom) {
  if (::geteuid() != 0) {
    return cardswap::test::skip_without("root", "a small file system is mounted");
  }
  const cardswap::test::TempDir dir;
  const int status = in_child([&] {
    const auto require = [](bool is_so, int code) {
      if (!is_so) ::_exit(code);
    };
    require(::unshare(CLONE_NEWNS) == 0, 77);
    require(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, 77);
    const auto first = test::state_at(100);
    const auto second = test::state_at(200);
    int failed = 0;
    for (int kib = 8; kib <= 160; kib += 8) {
      const auto size = "size=" + std::to_string(kib) + "k";
      require(::mount("tmpfs", dir.path().c_str(), "tmpfs", 0, size.c_str()) == 0, 77);
      const auto store = open_or_create_file_store(dir.path());
      std::optional<Ref> one;
      try {
        one = test::save(*store, first);
        (void)test::save(*store, second, "w", &first);
      } catch (const Error& e) {
        require(e.code() == Code::no_memory, 2);
        ++failed;
      }
      if (one) require(test::holds(*store, *one, first), 3);
      for (const auto& damage : check_store(*store)) require(damage.object == kStoreFile, 4);
      require(::mount("tmpfs", dir.path().c_str(), "tmpfs", MS_REMOUNT, "size=1m") == 0, 77);
      require(test::holds(*store, test::save(*store, second, "again"), second), 5);
      require(::umount2(dir.path().c_str(), MNT_DETACH) == 0, 6);
    }
    require(failed >= 5 && failed < 20, 7);
  });
  if (status == 77) return cardswap::test::skip_without("root", "no file system can be mounted");
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace cardswap::store
