#include "migrator/store/prune.h"

#include <map>
#include <random>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/manifest.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"
#include "migrator/store/node.h"
#include "migrator/store/pack_catalog.h"
#include "migrator/store/prune_rules.h"
#include "migrator/store/trash.h"

namespace cardswap::store {
namespace {

constexpr int kLooksMax = 4;

/// The content of a store at one time.
struct PruneView {
  std::vector<std::string> refs;
  std::vector<std::string> objects;  ///< in the order of removal
  Needs needs;
  std::set<std::string> roots;  ///< refs
  std::vector<Damage> damaged;
};

/// Reads a store from its packs up.
class StoreScan {
 public:
  explicit StoreScan(Store& store) : store_(store) {}

  PruneView view() {
    // Lists the names first: objects that are put later are not looked at.
    const auto packs = list_all(store_, kPacks);
    const auto nodes = list_all(store_, kNodes);
    const auto manifests = list_all(store_, kManifests);
    const auto of_jobs = list_all(store_, kJobs);
    catalog_.refresh(store_);
    view_.damaged = catalog_.damaged();
    for (const auto& name : nodes) judge(name, [&] { node(name); });
    for (const auto& name : manifests) judge(name, [&] { manifest(name); });
    for (const auto& name : of_jobs) judge(name, [&] { of_job(name); });
    for (const auto& [name, needed] : view_.needs) look_for(name, needed);
    tell_of_what_is_missing();
    view_.objects = view_.refs;
    for (const auto* names : {&manifests, &nodes, &packs}) {
      view_.objects.insert(view_.objects.end(), names->begin(), names->end());
    }
    return std::move(view_);
  }

 private:
  template <class Look>
  void judge(const std::string& name, Look look) {
    try {
      look();
    } catch (const Error& e) {
      if (is_store_failure(e.code())) throw;
      if (store_.size_of(name)) view_.damaged.push_back({name, e.failure()});
    }
  }

  void look_for(const std::string& name, const std::vector<std::string>& needed) {
    for (const auto& other : needed) {
      if (!view_.needs.contains(other) && !store_.size_of(other)) {
        lacking_.try_emplace(name, "it needs " + other + ", which is missing");
      }
    }
  }

  /// Of objects that a snapshot needs. What a writer has left that was killed may lack something:
  /// an earlier prune has removed it, because no snapshot needed it.
  void tell_of_what_is_missing() {
    const auto needed = marked(view_.needs, view_.roots);
    for (const auto& [name, what] : lacking_) {
      if (needed.contains(name) && store_.size_of(name)) view_.damaged.push_back({name, what});
    }
  }

  void node(const std::string& name) {
    std::set<ObjectId> packs;
    for (const auto& chunk : decode_node(get_named(store_, name, kNodeBytesMax)).chunks) {
      const auto* place = catalog_.find(chunk);
      if (place == nullptr) {
        lacking_.try_emplace(name, "its chunk " + to_string(chunk) + " is in no pack");
      } else {
        packs.insert(place->pack);
      }
    }
    auto& needs = view_.needs[name];
    for (const auto& pack : packs) needs.push_back(pack_name(pack));
  }

  void manifest(const std::string& name) {
    const auto manifest = decode_manifest(get_named(store_, name, kManifestBytesMax));
    auto& needs = view_.needs[name];
    for (const auto& node : manifest.nodes) needs.push_back(node_name(node));
    needs.push_back(node_name(manifest.values));
    // A prune of an earlier release removes them: the snapshot is whole without.
    if (manifest.digests && store_.size_of(node_name(*manifest.digests))) {
      needs.push_back(node_name(*manifest.digests));
    }
  }

  void of_job(const std::string& name) {
    if (name.find("/refs/") != std::string::npos) {
      const auto ref = get_ref(store_, name);
      view_.refs.push_back(name);
      view_.roots.insert(name);
      view_.needs[name] = {manifest_name(ref.manifest)};
    }
  }

  Store& store_;
  PackCatalog catalog_;
  std::map<std::string, std::string> lacking_;  // by object: what it needs and has not
  PruneView view_;
};

/// What another prune removes between two reads of a scan looks as if a snapshot lacked it: such a
/// pack may have had chunks that another pack has as well. Damage is what a second look finds, too.
PruneView look_at(Store& store) {
  auto view = StoreScan(store).view();
  for (int looks = 1; looks < kLooksMax && !view.damaged.empty(); ++looks) {
    auto again = StoreScan(store).view();
    const bool stays = again.damaged == view.damaged;
    view = std::move(again);
    if (stays) break;
  }
  return view;
}

std::set<std::string> intents_in(Store& store) {
  std::set<std::string> intents;
  for (const auto& name : list_all(store, kJobs)) {
    if (name.find("/intents/") != std::string::npos) intents.insert(name);
  }
  return intents;
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
  void put_waits(std::uint64_t number) {
    const auto intents = intents_in(store_);
    (void)store_.put_new(trash_name(number, true), encode_waits({intents.begin(), intents.end()}));
  }

  void clear(const TrashBatch& batch) {
    const auto intents = intents_in(store_);
    if (!may_remove(batch, intents, order_.now_s, order_.grace_s)) {
      if (order_.now_s - batch.at_s < order_.grace_s) return;
      for (const auto& intent : *batch.waits) {
        if (intents.contains(intent)) report_.waits.push_back(intent);
      }
      return;
    }
    auto view = look_at(store_);  // behind the intents
    if (!view.damaged.empty()) return;
    for (const auto& name : batch.objects) view.roots.erase(name);
    for (const auto& name : removable(batch, view.needs, view.roots)) {
      report_.removed.push_back(name);
      if (!order_.dry_run) store_.remove(name);
    }
    if (order_.dry_run) return;
    store_.remove(trash_name(batch.number, true));  // the objects last: they are the batch
    store_.remove(trash_name(batch.number, false));
  }

  void fill() {
    auto view = look_at(store_);
    report_.damaged = view.damaged;
    if (!view.damaged.empty()) return;
    std::set<std::string> surplus;
    for (const auto& [job, numbers] : order_.surplus) {
      for (const auto number : numbers) surplus.insert(ref_name(job, number));
    }
    report_.trashed = victims(view.objects, view.needs, view.roots, surplus, trashed_in(store_));
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
