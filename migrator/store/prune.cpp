#include "migrator/store/prune.h"

#include <random>
#include <string_view>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/names.h"
#include "migrator/store/pack_catalog.h"
#include "migrator/store/prune_rules.h"
#include "migrator/store/read_intent.h"
#include "migrator/store/store_graph.h"
#include "migrator/store/trash.h"

namespace cardswap::store {
namespace {

constexpr int kLooksMax = 4;

/// A store, and the order in which its objects would be removed.
struct PruneView {
  StoreGraph graph;
  std::vector<std::string> objects;
  std::set<std::string> roots;  ///< refs
};

PruneView look_once(Store& store) {
  // Lists the names first: objects that are put later are not looked at.
  const auto names = names_in(store);
  PackCatalog catalog;
  catalog.refresh(store);
  PruneView view{read_graph(store, names, catalog), {}, {}};
  auto& damaged = view.graph.damaged;
  damaged.insert(damaged.begin(), catalog.damaged().begin(), catalog.damaged().end());
  const auto& refs = view.graph.refs;
  view.roots.insert(refs.begin(), refs.end());
  for (const auto* some : {&refs, &names.manifests, &names.nodes, &names.packs}) {
    view.objects.insert(view.objects.end(), some->begin(), some->end());
  }
  return view;
}

/// What another prune removes between two reads of a scan looks as if a snapshot lacked it: such a
/// pack may have had chunks that another pack has as well. Damage is what a second look finds, too.
PruneView look_at(Store& store) {
  auto view = look_once(store);
  for (int looks = 1; looks < kLooksMax && !view.graph.damaged.empty(); ++looks) {
    auto again = look_once(store);
    const bool stays = again.graph.damaged == view.graph.damaged;
    view = std::move(again);
    if (stays) break;
  }
  return view;
}

bool is_of_ended_reader(const std::string& intent) {
  return has_reader_ended(std::string_view(intent).substr(intent.rfind('/') + 1));
}

std::uint64_t fresh_number() {
  std::random_device random;  // one that came before would bring another batch's waits
  return (std::uint64_t{random()} << 32) | random();
}

/// One prune. After each step another prune can go on from the store.
class Prune {
 public:
  Prune(Store& store, const PruneOrder& order) : store_(store), order_(order) {}

  PruneReport run() {
    for (auto& batch : trash_in(store_)) {
      if (!batch.waits && !order_.dry_run) put_waits(batch.number);
      if (batch.waits) clear(batch);
    }
    fill();
    return std::move(report_);
  }

 private:
  /// All that anybody may rely on. Those of readers that have ended are removed.
  std::set<std::string> intents() {
    std::set<std::string> intents;
    for (const auto& name : list_all(store_, kJobs)) {
      if (name.find("/intents/") == std::string::npos) continue;
      if (!is_of_ended_reader(name)) {
        intents.insert(name);
      } else if (!order_.dry_run) {
        store_.remove(name);
      }
    }
    return intents;
  }

  void put_waits(std::uint64_t number) {
    const auto intents = this->intents();
    (void)store_.put_new(trash_name(number, true), encode_waits({intents.begin(), intents.end()}));
  }

  void clear(const TrashBatch& batch) {
    const auto intents = this->intents();
    if (!may_remove(batch, intents, order_.now_s, order_.grace_s)) {
      if (order_.now_s - batch.at_s < order_.grace_s) return;
      for (auto& intent : waited_for(batch, intents, order_.now_s)) {
        report_.waits.push_back(std::move(intent));
      }
      return;
    }
    if (!order_.dry_run) {  // each batch after this one would wait as long
      for (const auto& intent : overdue_readers(batch, intents, order_.now_s)) {
        store_.remove(intent);
      }
    }
    auto view = look_at(store_);  // behind the intents
    if (!view.graph.damaged.empty()) return;
    for (const auto& name : batch.objects) view.roots.erase(name);
    for (const auto& name : removable(batch, view.graph.needs, view.roots)) {
      report_.removed.push_back(name);
      if (!order_.dry_run) store_.remove(name);
    }
    if (order_.dry_run) return;
    store_.remove(trash_name(batch.number, true));  // the objects last: they are the batch
    store_.remove(trash_name(batch.number, false));
  }

  void fill() {
    auto view = look_at(store_);
    report_.damaged = view.graph.damaged;
    if (!view.graph.damaged.empty()) return;
    std::set<std::string> surplus;
    for (const auto& [job, numbers] : order_.surplus) {
      for (const auto number : numbers) surplus.insert(ref_name(job, number));
    }
    report_.trashed =
        victims(view.objects, view.graph.needs, view.roots, surplus, trashed_in(store_));
    if (report_.trashed.empty() || order_.dry_run) return;
    const TrashBatch batch{fresh_number(), order_.now_s, report_.trashed, std::nullopt};
    if (store_.put_new(trash_name(batch.number, false), encode_trash(batch)) == PutResult::exists) {
      throw Error(Code::conflict, "two batches of trash have one number");
    }
    put_waits(batch.number);
  }

  Store& store_;
  const PruneOrder& order_;
  PruneReport report_;
};

}  // namespace

PruneReport prune(Store& store, const PruneOrder& order) { return Prune(store, order).run(); }

}  // namespace cardswap::store
