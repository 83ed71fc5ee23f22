#include "migrator/store/store_graph.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/manifest.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"
#include "migrator/store/node.h"

namespace cardswap::store {
namespace {

/// Reads a store from its nodes up to its refs.
class GraphReader {
 public:
  GraphReader(Store& store, const PackCatalog& catalog) : store_(store), catalog_(catalog) {}

  StoreGraph run(const StoreNames& names) {
    for (const auto& name : names.nodes) look(name, &GraphReader::node);
    for (const auto& name : names.manifests) look(name, &GraphReader::manifest);
    for (const auto& name : names.of_jobs) {
      if (name.find("/refs/") != std::string::npos) look(name, &GraphReader::ref);
    }
    for (const auto& one : graph_.damaged) unreadable_.insert(one.object);
    for (const auto& [name, others] : required_) look_for(name, others);
    tell_of_what_is_lacking();
    return std::move(graph_);
  }

 private:
  void look(const std::string& name, void (GraphReader::*read)(const std::string&)) {
    judge(store_, name, graph_.damaged, [&] { (this->*read)(name); });
  }

  void node(const std::string& name) {
    std::set<ObjectId> packs;
    for (const auto& chunk : decode_node(get_named(store_, name, kNodeBytesMax)).chunks) {
      const auto* place = catalog_.find(chunk);
      if (place == nullptr) {
        lacking_.try_emplace(name, fmt::format("its chunk {} is in no pack", to_string(chunk)));
      } else {
        packs.insert(place->pack);
      }
    }
    (void)graph_.needs[name];
    for (const auto& pack : packs) require(name, pack_name(pack));
  }

  void manifest(const std::string& name) {
    const auto manifest = decode_manifest(get_named(store_, name, kManifestBytesMax));
    for (const auto& node : manifest.nodes) require(name, node_name(node));
    require(name, node_name(manifest.values));
    // A prune of an earlier release removes them: the snapshot is whole without.
    if (manifest.digests && store_.size_of(node_name(*manifest.digests))) {
      graph_.needs[name].push_back(node_name(*manifest.digests));
    }
  }

  void ref(const std::string& name) {
    const auto ref = get_ref(store_, name);
    graph_.refs.push_back(name);
    require(name, manifest_name(ref.manifest));
  }

  void require(const std::string& name, std::string other) {
    required_[name].push_back(other);
    graph_.needs[name].push_back(std::move(other));
  }

  void look_for(const std::string& name, const std::vector<std::string>& others) {
    for (const auto& other : others) {
      const bool is_readable =
          graph_.needs.contains(other) || (!unreadable_.contains(other) && store_.size_of(other));
      if (is_readable) continue;
      lacking_.try_emplace(name, fmt::format("it needs {}, which is missing or damaged", other));
    }
  }

  void tell_of_what_is_lacking() {
    const auto needed = marked(graph_.needs, {graph_.refs.begin(), graph_.refs.end()});
    for (const auto& [name, what] : lacking_) {
      if (needed.contains(name) && store_.size_of(name)) graph_.damaged.push_back({name, what});
    }
  }

  Store& store_;
  const PackCatalog& catalog_;
  Needs required_;                              // of graph_.needs, without which it is not whole
  std::set<std::string> unreadable_;            // those of graph_.damaged
  std::map<std::string, std::string> lacking_;  // by object: what it needs and has not
  StoreGraph graph_;
};

}  // namespace

StoreNames names_in(Store& store) {
  StoreNames names;
  names.packs = list_all(store, kPacks);
  names.nodes = list_all(store, kNodes);
  names.manifests = list_all(store, kManifests);
  names.of_jobs = list_all(store, kJobs);
  return names;
}

StoreGraph read_graph(Store& store, const StoreNames& names, const PackCatalog& catalog) {
  return GraphReader(store, catalog).run(names);
}

void judge(Store& store, const std::string& name, std::vector<Damage>& damaged,
           const std::function<void()>& look) {
  try {
    look();
  } catch (const Error& error) {
    if (is_store_failure(error.code())) throw;
    if (store.size_of(name)) damaged.push_back({name, error.failure()});
  }
}

}  // namespace cardswap::store
