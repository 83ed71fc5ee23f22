/// What a disk, a hand or a half copy may make of a store: each object in turn is another one, the
/// others are as they were. What is read is what was written, or an error that names it; and no
/// prune removes anything of what is whole.

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <optional>

#include "migrator/base/error.h"
#include "migrator/store/check_store.h"
#include "migrator/store/epoch_claims.h"
#include "migrator/store/in_memory_store.h"
#include "migrator/store/intent.h"
#include "migrator/store/names.h"
#include "migrator/store/prune.h"
#include "migrator/store/trash.h"
#include "tests/unit/migrator/store/sample.h"

namespace cardswap::store {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

using Bytes = std::vector<std::byte>;

std::optional<Error> error_of_call(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

test::State small_state(std::uint64_t step) {
  test::State state;
  state.step = step;
  state.layout = Layout({{"w", "Float", "[300]", 1200, 0}});
  state.memory = {test::weights(1200, static_cast<unsigned>(step))};
  state.values = test::bytes_of("step " + std::to_string(step));
  return state;
}

PruneOrder order_of(std::set<std::uint64_t> surplus) {
  PruneOrder order;
  order.surplus["gpt"] = std::move(surplus);
  order.now_s = 1'800'000'000;
  order.grace_s = 0;
  return order;
}

/// A store with each kind of object: three snapshots, the first of them in trash, two tags, a
/// fence, a reader, for whom the trash waits.
class StoreDamage : public testing::Test {
 protected:
  StoreDamage() {
    ensure_store_file(store_, "store-1");
    for (std::uint64_t step = 1; step <= 3; ++step) {
      (void)test::save(store_, small_state(step), "w" + std::to_string(step));
    }
    put_tag(store_, "gpt", {"best", 2});
    put_tag(store_, "gpt", {"best", 3});
    put_tag(store_, "gpt", {"first", 2});
    claim_epoch(store_, {"gpt", "run", 1, "host-a"});
    reader_.emplace(store_, "gpt", "reader");
    (void)prune(store_, order_of({1}));
    for (const auto& name : list_all(store_, "")) whole_[name] = get(store_, name, kPackBytesMax);
  }

  /// The store with `bytes` in the place of one object; none: without the object.
  void with(const std::string& name, const std::optional<Bytes>& bytes, Store& into) const {
    for (const auto& [other, whole] : whole_) {
      if (other != name) (void)into.put_new(other, whole);
    }
    if (bytes) (void)into.put_new(name, *bytes);
  }

  /// Whether a snapshot is what was saved under its number; nothing: it cannot be read.
  static std::optional<bool> is_as_saved(Store& store, const Ref& ref) {
    try {
      PackCatalog catalog;
      catalog.refresh(store);
      const SnapshotReader reader(store, catalog, ref);
      if (!reader.verify().empty()) return std::nullopt;
      return ref.step == ref.number &&
             reader.manifest().state_digest == small_state(ref.number).state_digest();
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  /// The objects that the second and third snapshots need.
  [[nodiscard]] std::set<std::string> needed() {
    std::set<std::string> all;
    PackCatalog catalog;
    catalog.refresh(store_);
    for (const std::uint64_t number : {2U, 3U}) {
      const auto ref = decode_ref(whole_.at(ref_name("gpt", number)));
      const SnapshotReader reader(store_, catalog, ref);
      all.insert({ref_name("gpt", number), manifest_name(ref.manifest)});
      all.insert(node_name(reader.manifest().values));
      for (const auto& node : reader.manifest().nodes) all.insert(node_name(node));
      all.insert(pack_name(catalog.find(reader.chunk_id(RegionId{0}, 0))->pack));
    }
    return all;
  }

  void expect_nothing_else(const std::string& name, const Bytes& bytes, const std::string& how) {
    InMemoryStore store;
    with(name, bytes, store);
    std::vector<Ref> refs;
    std::vector<Tag> tags;
    const auto read = error_of_call([&] {
      refs = refs_of(store, "gpt").refs;
      tags = tags_of(store, "gpt").tags;
    });
    if (read) {
      EXPECT_THAT(read->code(), AnyOf(Code::corrupt, Code::protocol_mismatch)) << how;
    }
    for (const auto& ref : refs) {
      EXPECT_TRUE(is_as_saved(store, ref).value_or(true)) << how << ": snapshot " << ref.number;
    }
    for (const auto& tag : tags) {
      EXPECT_EQ(tag.number, tag.name == "best" ? 3U : 2U) << how << ": tag " << tag.name;
    }
    // Nobody reads any more, and prunes go on.
    store.remove(reader_->name());
    for (int i = 0; i < 2; ++i) (void)error_of_call([&] { (void)prune(store, order_of({})); });
    for (const auto& other : needed_) {
      EXPECT_TRUE(store.size_of(other)) << how << ": a prune has removed " << other;
    }
  }

  InMemoryStore store_;
  std::optional<Intent> reader_;
  std::map<std::string, Bytes> whole_;
  std::set<std::string> needed_;
};

TEST_F(StoreDamage, OfOneBitMakesNothingElseOfAnyObject) {
  needed_ = needed();
  std::set<std::string> kinds;
  for (const auto& [name, whole] : whole_) {
    kinds.insert(name.substr(0, name.find('/')));
    // What is named after its bytes is held by faults_test.cpp as well: fewer bits of it.
    const auto stride = id_in_name(name) ? std::max<std::size_t>(whole.size() * 8 / 50, 1) : 3;
    for (std::size_t bit = 0; bit < whole.size() * 8; bit += stride) {
      auto bytes = whole;
      bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      expect_nothing_else(name, bytes, name + " bit " + std::to_string(bit));
      if (HasFailure()) return;
    }
  }
  EXPECT_EQ(kinds.size(), 7U) << "a kind of object is missing";
}

/// Nothing else proves them: a tag would name another snapshot, and a prune remove one.
TEST_F(StoreDamage, OfOneBitOfATagOrOfTrashIsFound) {
  const auto number = trash_in(store_).at(0).number;
  const auto is_found = [](const std::function<void()>& run) {
    const auto error = error_of_call(run);
    return error && (error->code() == Code::corrupt || error->code() == Code::protocol_mismatch);
  };
  const auto flipped = [&](const std::string& name, const std::function<bool(const Bytes&)>& is) {
    const auto& whole = whole_.at(name);
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
      auto bytes = whole;
      bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      EXPECT_TRUE(is(bytes)) << name << " bit " << bit;
    }
  };
  const auto waits = trash_name(number, true);
  flipped(waits, [&](const Bytes& bytes) {
    return is_found([&] { (void)decode_waits(bytes); }) ||
           decode_waits(bytes) == decode_waits(whole_.at(waits));
  });
  const auto objects = trash_name(number, false);
  flipped(objects, [&](const Bytes& bytes) {
    return is_found([&] { (void)decode_trash(bytes); }) ||
           decode_trash(bytes) == decode_trash(whole_.at(objects));
  });
  const auto tag = tag_name("gpt", "best", 2);
  flipped(tag, [&](const Bytes& bytes) {
    InMemoryStore store;
    with(tag, bytes, store);
    const auto tags = tags_of(store, "gpt");
    return !tags.damaged.empty() || tags.tags == tags_of(store_, "gpt").tags;
  });
}

TEST_F(StoreDamage, OfAWholeObjectMakesNothingElseOfIt) {
  needed_ = needed();
  for (const auto& [name, whole] : whole_) {
    expect_nothing_else(name, {}, name + " empty");
    expect_nothing_else(name, Bytes(whole.size()), name + " of zeros");
    expect_nothing_else(name, {whole.begin(), whole.begin() + std::ssize(whole) / 2},
                        name + " cut");
    for (const auto& [other, bytes] : whole_) {
      // Which of its records a tag had first is said by their names alone, and a prune does not
      // read packs as a whole: faults_test.cpp has one in the place of another.
      const auto both_are = [&](const std::string& prefix) {
        return name.starts_with(prefix) && other.starts_with(prefix);
      };
      if (other == name || both_are("jobs/gpt/tags/best/") || both_are(kPacks)) continue;
      expect_nothing_else(name, bytes, name + " in the place of which is " + other);
    }
    if (HasFailure()) return;
  }
}

/// As `cp -r` leaves it that was interrupted, or that ran while a snapshot was written.
TEST_F(StoreDamage, OfACopyThatIsHalfDoneIsNamedAndNothingIsRemoved) {
  needed_ = needed();
  std::vector<std::string> names;
  for (const auto& [name, bytes] : whole_) names.push_back(name);
  for (const bool forward : {true, false}) {
    if (!forward) std::ranges::reverse(names);
    for (std::size_t count = 0; count <= names.size(); ++count) {
      InMemoryStore store;
      for (std::size_t i = 0; i < count; ++i) (void)store.put_new(names[i], whole_.at(names[i]));
      const auto how = std::to_string(count) + (forward ? " first" : " last") + " objects";
      const auto damaged = check_store(store);
      const bool is_damaged =
          std::ranges::any_of(damaged, [](const Damage& one) { return one.object != kStoreFile; });
      const auto refs = refs_of(store, "gpt").refs;
      for (const auto& ref : refs) {
        EXPECT_TRUE(is_damaged || is_as_saved(store, ref) == true) << how << " " << ref.number;
      }
      const auto report = prune(store, order_of({2}));
      for (const auto& name : report.removed) {
        EXPECT_FALSE(needed_.contains(name)) << how << ": a prune has removed " << name;
      }
      const bool may_fill = refs.empty() || !is_damaged;
      EXPECT_TRUE(may_fill || report.trashed.empty()) << how;
      // The next snapshot works, whatever is missing, and is whole.
      const auto next = small_state(9);
      PackCatalog catalog;
      SnapshotWriter writer(store, catalog,
                            {.job = "gpt",
                             .layout = next.layout,
                             .chunk_bytes = test::kSampleChunk,
                             .writer = "next"});
      test::give(writer, next);
      EXPECT_TRUE(test::holds(store, writer.commit(test::facts_of(next)), next)) << how;
    }
  }
}

/// As a writer that was killed leaves it behind a prune: its node and its manifest are there, and a
/// pack of it is not.
TEST_F(StoreDamage, OfWhatNoSnapshotNeedsIsNoneUnlessItsBytesAre) {
  InMemoryStore store;
  for (const auto& [name, whole] : whole_) {
    if (!name.starts_with(kPacks) && !name.starts_with(refs_prefix("gpt"))) {
      (void)store.put_new(name, whole);
    }
  }
  EXPECT_THAT(check_store(store), IsEmpty());

  const auto ref = ref_name("gpt", 3);
  (void)store.put_new(ref, whole_.at(ref));
  EXPECT_THAT(check_store(store), testing::Not(IsEmpty())) << "a snapshot needs them";
  store.remove(ref);

  const auto manifest = manifest_name(decode_ref(whole_.at(ref)).manifest);
  store.remove(manifest);
  (void)store.put_new(manifest, Bytes(10));
  EXPECT_THAT(check_store(store), testing::Contains(testing::Field(&Damage::object, manifest)));
}

/// A tensor came, one went, one has another size: what stays is taken over, and both snapshots come
/// back.
TEST_F(StoreDamage, OfAnotherLayoutIsNone) {
  const auto before = test::state_at(100);
  auto after = before;
  after.step = 200;
  after.layout = Layout({{"model/new", "Float", "[64]", 256, 0},
                         {"model/frozen", "BFloat16", "[4096]", 8'192, 0},
                         {"model/w", "Float", "[1500, 2]", 12'000, 0}});
  after.memory = {test::weights(256, 1), before.memory[1], test::weights(12'000, 2)};
  InMemoryStore store;
  const auto one = test::save(store, before);
  PackCatalog catalog;
  SnapshotWriter writer(store, catalog,
                        {.job = "gpt",
                         .layout = after.layout,
                         .chunk_bytes = test::kSampleChunk,
                         .writer = "w",
                         .parent = one});
  EXPECT_TRUE(writer.may_keep(RegionId{1}, 0)) << "it stays, with another number";
  EXPECT_FALSE(writer.may_keep(RegionId{0}, 0));
  EXPECT_FALSE(writer.may_keep(RegionId{2}, 0));
  writer.keep(RegionId{1}, 0);
  writer.keep(RegionId{1}, 1);
  for (const auto& at : cut_into_chunks(after.layout, test::kSampleChunk)) {
    if (at.region != RegionId{1}) {
      writer.add(at.region, at.offset / test::kSampleChunk, after.chunk(at));
    }
  }
  writer.add_values(after.values);
  auto facts = test::facts_of(after);
  facts.tensors.clear();
  const auto two = writer.commit(facts);
  EXPECT_TRUE(test::holds(store, one, before));
  EXPECT_TRUE(test::holds(store, two, after));
}

/// 4 TB in one region, of which nothing is there: before there is memory for any of it.
TEST_F(StoreDamage, OfAManifestOfAThousandMillionChunksIsFoundAtOnce) {
  PackCatalog catalog;
  catalog.refresh(store_);
  const auto ref = decode_ref(whole_.at(ref_name("gpt", 3)));
  auto manifest = SnapshotReader(store_, catalog, ref).manifest();
  manifest.layout = Layout({{"w", "Float", "[300]", 4096ULL * 1'000'000'000, 0}});
  manifest.tensors.clear();
  const auto bytes = encode_manifest(manifest);
  const auto name = manifest_name(id_of(bytes));
  ASSERT_EQ(store_.put_new(name, bytes), PutResult::created);
  const auto error = error_of_call([&] { SnapshotReader(store_, catalog, id_of(bytes)); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::corrupt);
  EXPECT_THAT(error->what(), HasSubstr("it is of another region"));
}

TEST_F(StoreDamage, OfANameThatLeadsElsewhereIsRefused) {
  const auto replaced = [](const Bytes& bytes, const std::string& from, const std::string& to) {
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    return test::bytes_of(text);
  };
  const auto& ref = whole_.at(ref_name("gpt", 3));
  const auto parsed = decode_ref(ref);
  const auto& manifest = whole_.at(manifest_name(parsed.manifest));
  for (const std::string evil : {"../../etc", "..", "/etc", "a/b", ".x", ""}) {
    const auto job = R"("job":")" + evil + '"';
    const auto branch = R"("branch":")" + evil + '"';
    const auto is_refused = [&](const std::function<void()>& run) {
      const auto error = error_of_call(run);
      return error && error->code() == Code::corrupt;
    };
    EXPECT_TRUE(is_refused([&] { (void)decode_ref(replaced(ref, R"("job":"gpt")", job)); }))
        << evil;
    EXPECT_TRUE(is_refused([&] { (void)decode_ref(replaced(ref, R"("branch":"main")", branch)); }))
        << evil;
    EXPECT_TRUE(is_refused([&] {
      (void)decode_manifest(replaced(manifest, R"("job":"gpt")", job));
    })) << evil;
    EXPECT_TRUE(is_refused([&] {
      (void)decode_manifest(replaced(manifest, R"("branch":"main")", branch));
    })) << evil;
  }
}

/// A batch of trash came to be while the clock was wrong: its grace begins then, and nothing that
/// is shown depends on it.
TEST_F(StoreDamage, OfAClockTakesNothingThatIsShown) {
  reader_->end();
  (void)test::save(store_, small_state(4), "w4");
  for (const std::int64_t now : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 40,
                                 std::int64_t{1'700'000'000}, std::int64_t{1} << 62}) {
    auto order = order_of({1, 2});
    order.now_s = now;
    order.grace_s = 24 * 3600;
    for (int i = 0; i < 2; ++i) (void)prune(store_, order);
    for (const auto& ref : refs_of(store_, "gpt").refs) {
      EXPECT_EQ(is_as_saved(store_, ref), true) << now << ": snapshot " << ref.number;
    }
    EXPECT_EQ(refs_of(store_, "gpt").refs.size(), 2U) << now;
  }
  EXPECT_THAT(check_store(store_), IsEmpty());
}

}  // namespace
}  // namespace cardswap::store
