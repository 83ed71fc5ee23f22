/// Method: a model of a store and of those who work on it, writers, readers and prunes, in this one
/// thread: each takes one step at a time, in an order that is drawn from a seed. What a prune may
/// do is asked of the product's own rules (keep_rule.h, prune_rules.h), so 100,000 schedules take
/// seconds. schedules_test.cpp has the product's programs in their place.

#include <gmock/gmock.h>

#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "migrator/store/keep_rule.h"
#include "migrator/store/prune_rules.h"

namespace cardswap::store {
namespace {

constexpr KeepRule kTwo{.last = 2, .hourly = 0, .daily = 0};

enum class Readers : std::uint8_t { put_intents, put_none };

SnapshotCandidate whole(std::uint64_t number) { return {number, "main", 0, true, false}; }

/// A store as sets of names, and who works on it: writers, readers and prunes that take one step at
/// a time, in any order, and may end behind any. Their steps are those of SnapshotWriter, Intent
/// and prune(); what a prune may do is asked of the product's own rules.
class World {
 public:
  World(unsigned seed, Readers readers) : random_(seed), readers_(readers) {}

  void run(int steps) {
    for (int i = 0; i < steps && broken_.empty(); ++i) step();
  }
  [[nodiscard]] const std::string& broken() const { return broken_; }
  [[nodiscard]] int published() const { return published_; }
  [[nodiscard]] int removed() const { return removed_; }
  [[nodiscard]] int restored() const { return restored_; }

 private:
  struct Writer {
    std::string intent;
    int at = 0;
    std::set<std::string> trashed;
    std::vector<std::string> packs;
    std::string manifest;
  };
  struct Reader {
    std::string intent;
    int at = 0;
    std::vector<std::string> open;
  };
  struct Pruner {
    int at = 0;
    std::uint64_t batch = 0;
    std::set<std::string> intents;
    std::vector<std::string> removing;
  };

  unsigned below(unsigned limit) { return limit == 0 ? 0 : random_() % limit; }
  std::string fresh(const char* kind) { return kind + std::to_string(++names_); }

  void step() {
    now_ += below(5);
    if (below(40) == 0) now_ += below(1000);  // a clock that jumps
    if (below(60) == 0) now_ -= below(500);
    switch (below(6)) {
      case 0:
      case 1: writer_step(); break;
      case 2: reader_step(); break;
      case 3:
      case 4: pruner_step(); break;
      default: end_of_somebody(); break;
    }
    check();
  }

  std::set<std::string> trashed() const {
    std::set<std::string> all;
    for (const auto& [number, batch] : trash_)
      all.insert(batch.objects.begin(), batch.objects.end());
    return all;
  }
  std::vector<std::string> shown() const {
    const auto gone = trashed();
    std::vector<std::string> refs;
    for (const auto& ref : refs_) {
      if (!gone.contains(ref)) refs.push_back(ref);
    }
    return refs;
  }
  std::vector<std::string> packs_of(const std::string& ref) const {
    const auto& nodes = needs_.at(needs_.at(ref)[0]);
    return needs_.at(nodes[0]);
  }

  void writer_step() {
    if (writers_.size() < 2 && below(2) == 0) {
      writers_.push_back({fresh("intents/w"), 0, {}, {}, {}});
      intents_.insert(writers_.back().intent);
      return;
    }
    if (writers_.empty()) return;
    const auto which = below(static_cast<unsigned>(writers_.size()));
    auto& writer = writers_[which];
    switch (writer.at++) {
      case 0: writer.trashed = trashed(); break;
      case 1:  // what it relies on of others, and what it makes
        for (const auto& name : objects_) {
          if (name[0] == 'p' && !writer.trashed.contains(name) && below(3) == 0) {
            writer.packs.push_back(name);
          }
        }
        writer.packs.push_back(fresh("p"));
        objects_.insert(writer.packs.back());
        break;
      case 2: {
        const auto node = fresh("n");
        objects_.insert(node);
        needs_[node] = writer.packs;
        writer.manifest = fresh("m");
        needs_[writer.manifest] = {node};
        break;
      }
      case 3: objects_.insert(writer.manifest); break;
      case 4:
        if (!intents_.contains(writer.intent)) return forget_writer(which);
        break;
      case 5: {
        const auto ref = fresh("r");
        needs_[ref] = {writer.manifest};
        refs_.insert(ref);
        objects_.insert(ref);
        order_.push_back(ref);
        ++published_;
        break;
      }
      default: intents_.erase(writer.intent); forget_writer(which);
    }
  }
  void forget_writer(unsigned which) { writers_.erase(writers_.begin() + which); }

  void reader_step() {
    if (!reader_) {
      reader_ = Reader{fresh("intents/read-"), 0, {}};
      if (readers_ == Readers::put_intents) intents_.insert(reader_->intent);
      return;
    }
    if (reader_->at++ == 0) {
      const auto refs = shown();
      if (!refs.empty()) {
        const auto all = marked(needs_, {refs[below(static_cast<unsigned>(refs.size()))]});
        reader_->open.assign(all.begin(), all.end());
      }
    } else if (!reader_->open.empty()) {
      reader_->open.pop_back();
      if (reader_->open.empty()) ++restored_;
    } else {
      intents_.erase(reader_->intent);
      reader_.reset();
    }
  }

  std::set<std::string> surplus() {
    std::vector<SnapshotCandidate> list;
    const auto gone = trashed();
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (refs_.contains(order_[i]) && !gone.contains(order_[i])) list.push_back(whole(i + 1));
    }
    std::set<std::string> names;
    for (const auto number : surplus_of(list, kTwo)) names.insert(order_[number - 1]);
    return names;
  }

  void pruner_step() {
    if (pruners_.size() < 2 && below(3) == 0) pruners_.push_back({});
    if (pruners_.empty()) return;
    const auto which = below(static_cast<unsigned>(pruners_.size()));
    auto& pruner = pruners_[which];
    switch (pruner.at) {
      case 0: {  // a batch that is ready, or a new one
        for (auto& [number, batch] : trash_) {
          if (below(2) == 0) continue;
          pruner.batch = number;
          pruner.at = batch.waits ? 3 : 1;
          return;
        }
        fill(pruner);
        break;
      }
      case 1:
        pruner.intents = intents_;
        pruner.at = 2;
        break;
      case 2:
        if (const auto found = trash_.find(pruner.batch);
            found != trash_.end() && !found->second.waits) {
          found->second.waits.emplace(pruner.intents.begin(), pruner.intents.end());
        }
        forget_pruner(which);
        break;
      case 3: look(pruner, which); break;
      default: remove_one(pruner, which); break;
    }
  }
  void forget_pruner(unsigned which) { pruners_.erase(pruners_.begin() + which); }

  void fill(Pruner& pruner) {
    std::vector<std::string> objects(refs_.begin(), refs_.end());
    for (const char kind : {'m', 'n', 'p'}) {
      for (const auto& name : objects_) {
        if (name[0] == kind) objects.push_back(name);
      }
    }
    const auto names = victims(objects, needs_, refs_, surplus(), trashed());
    if (names.empty()) return;
    pruner.batch = ++batches_;
    trash_[pruner.batch] = {pruner.batch, now_, names, std::nullopt};
    pruner.at = 1;
  }

  void look(Pruner& pruner, unsigned which) {
    const auto found = trash_.find(pruner.batch);
    if (found == trash_.end()) return forget_pruner(which);
    if (pruner.intents.empty()) {
      pruner.intents = intents_;
      pruner.intents.insert("looked");
      return;
    }
    if (!may_remove(found->second, pruner.intents, now_, 100)) return forget_pruner(which);
    auto roots = refs_;
    for (const auto& name : found->second.objects) roots.erase(name);
    pruner.removing = removable(found->second, needs_, roots);
    pruner.at = 4;
  }

  void remove_one(Pruner& pruner, unsigned which) {
    if (pruner.removing.empty()) {
      trash_.erase(pruner.batch);
      return forget_pruner(which);
    }
    objects_.erase(pruner.removing.front());
    refs_.erase(pruner.removing.front());
    pruner.removing.erase(pruner.removing.begin());
    ++removed_;
  }

  /// Somebody is killed; of writers and readers that is known later, and their intents are removed.
  void end_of_somebody() {
    if (below(4) == 0 && !writers_.empty()) {
      dead_.push_back(writers_.back().intent);
      writers_.pop_back();
    } else if (below(8) == 0 && reader_) {
      dead_.push_back(reader_->intent);
      reader_.reset();
    } else if (below(4) == 0 && !pruners_.empty()) {
      pruners_.pop_back();
    } else if (below(2) == 0 && !dead_.empty()) {
      intents_.erase(dead_.back());
      dead_.pop_back();
    }
  }

  void check() {
    const auto refs = shown();
    for (const auto& name : marked(needs_, {refs.begin(), refs.end()})) {
      if (!objects_.contains(name)) broken_ = "a snapshot lacks " + name;
    }
    if (!reader_) return check_count(refs.size());
    for (const auto& name : reader_->open) {
      if (!objects_.contains(name)) broken_ = "a reader lacks " + name;
    }
    check_count(refs.size());
  }
  void check_count(std::size_t shown) {
    if (published_ >= 2 && shown < 2) broken_ = "fewer than two snapshots are left";
  }

  std::minstd_rand random_;
  const Readers readers_;
  unsigned names_ = 0;
  std::uint64_t batches_ = 0;
  std::int64_t now_ = 0;
  std::set<std::string> objects_, refs_, intents_;
  Needs needs_;
  std::vector<std::string> order_;
  std::map<std::uint64_t, TrashBatch> trash_;
  std::vector<Writer> writers_;
  std::optional<Reader> reader_;
  std::vector<Pruner> pruners_;
  std::vector<std::string> dead_;
  int published_ = 0;
  int removed_ = 0;
  int restored_ = 0;
  std::string broken_;
};

/// Of 100,000 schedules of snapshots, restores, prunes and ends of each, none takes away what is
/// shown as restorable, or from under a restore.
TEST(RetentionSafe, InEveryOrder) {
  int published = 0;
  int removed = 0;
  int restored = 0;
  for (unsigned seed = 1; seed <= 100'000; ++seed) {
    World world(seed, Readers::put_intents);
    world.run(120);
    ASSERT_EQ(world.broken(), "") << "schedule " << seed;
    published += world.published();
    removed += world.removed();
    restored += world.restored();
  }
  EXPECT_GT(published, 100'000);
  EXPECT_GT(restored, 10'000);
  EXPECT_GT(removed, 10'000) << "a prune that removes nothing is safe for nothing";
}

/// That the invariant is one: without the intent it breaks.
TEST(RetentionSafe, NotForAReaderThatPutsNoIntent) {
  std::string broken;
  for (unsigned seed = 1; seed <= 10'000 && broken.empty(); ++seed) {
    World world(seed, Readers::put_none);
    world.run(120);
    broken = world.broken();
  }
  EXPECT_THAT(broken, testing::HasSubstr("a reader lacks"));
}

}  // namespace
}  // namespace cardswap::store
