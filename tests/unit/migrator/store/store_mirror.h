#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "migrator/store/manifest.h"
#include "migrator/store/names.h"
#include "migrator/store/node.h"
#include "migrator/store/pack.h"
#include "migrator/store/refs.h"
#include "migrator/store/trash.h"

namespace cardswap::store::test {

/// What a store has, told of each object that is put and removed: whether each snapshot that it
/// shows is whole can be asked after every call, without reading anything again.
class StoreMirror {
 public:
  void put(const std::string& name, std::span<const std::byte> bytes) {
    there_.insert(name);
    if (name.starts_with(kPacks)) {
      for (const auto& chunk : read_pack(bytes)) packs_[chunk.id].insert(name);
    } else if (name.starts_with(kNodes)) {
      chunks_[name] = decode_node(bytes).chunks;
    } else if (name.starts_with(kManifests)) {
      const auto manifest = decode_manifest(bytes);
      auto& nodes = nodes_[name];
      for (const auto& node : manifest.nodes) nodes.push_back(node_name(node));
      nodes.push_back(node_name(manifest.values));
    } else if (name.find("/refs/") != std::string::npos) {
      all_refs_[name] = refs_[name] = manifest_name(decode_ref(bytes).manifest);
    } else if (name.starts_with(kTrash) && name.ends_with("/objects")) {
      const auto batch = decode_trash(bytes);
      trash_[name] = {batch.objects.begin(), batch.objects.end()};
    }
  }
  void remove(const std::string& name) {
    there_.erase(name);
    refs_.erase(name);
    trash_.erase(name);
  }

  [[nodiscard]] bool has(const std::string& name) const { return there_.contains(name); }
  /// The first object that a shown snapshot lacks; empty: each is whole.
  [[nodiscard]] std::string missing() const {
    for (const auto& [ref, manifest] : refs_) {
      if (is_in_trash(ref)) continue;
      if (auto what = missing_below(manifest); !what.empty()) return what + ", of " + ref;
    }
    return {};
  }
  /// What a snapshot lacks of which somebody has read the ref.
  [[nodiscard]] std::string missing_of(const std::string& ref) const {
    auto what = missing_below(all_refs_.at(ref));
    return what.empty() ? what : what + ", of " + ref;
  }
  [[nodiscard]] std::size_t shown() const {
    std::size_t count = 0;
    for (const auto& [ref, manifest] : refs_) {
      if (!is_in_trash(ref)) ++count;
    }
    return count;
  }

 private:
  [[nodiscard]] std::string missing_below(const std::string& manifest) const {
    if (!has(manifest)) return manifest;
    for (const auto& node : nodes_.at(manifest)) {
      if (!has(node)) return node;
      for (const auto& chunk : chunks_.at(node)) {
        if (!is_in_a_pack(chunk)) return "chunk " + to_string(chunk);
      }
    }
    return {};
  }
  [[nodiscard]] bool is_in_trash(const std::string& name) const {
    for (const auto& [batch, objects] : trash_) {
      if (objects.contains(name)) return true;
    }
    return false;
  }
  [[nodiscard]] bool is_in_a_pack(const ObjectId& chunk) const {
    const auto found = packs_.find(chunk);
    if (found == packs_.end()) return false;
    for (const auto& pack : found->second) {
      if (has(pack)) return true;
    }
    return false;
  }

  std::set<std::string> there_;
  std::map<ObjectId, std::set<std::string>> packs_;      // by chunk
  std::map<std::string, std::vector<ObjectId>> chunks_;  // by node
  std::map<std::string, std::vector<std::string>> nodes_;
  std::map<std::string, std::string> refs_;      // its manifest, by ref
  std::map<std::string, std::string> all_refs_;  // also of those that are removed
  std::map<std::string, std::set<std::string>> trash_;
};

}  // namespace cardswap::store::test
