#include "migrator/store/check_store.h"

#include <fmt/format.h>

#include <future>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/compression.h"
#include "migrator/store/checked_json.h"
#include "migrator/store/json.h"
#include "migrator/store/manifest.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"
#include "migrator/store/node.h"
#include "migrator/store/pack.h"
#include "migrator/store/prune_rules.h"
#include "migrator/store/store_file.h"
#include "migrator/store/trash.h"

namespace cardswap::store {
namespace {

/// Reads a store once, from its packs up to its refs.
class StoreCheck {
 public:
  StoreCheck(Store& store, Verification& shared)
      : store_(store), shared_(shared), slots_(shared.workers.slots()) {}

  std::vector<Damage> run() {
    judge(kStoreFile, [&] { (void)read_store_file(store_); });
    packs();
    for (const auto& name : list_all(store_, kNodes)) judge(name, [&] { node(name); });
    for (const auto& name : list_all(store_, kManifests)) judge(name, [&] { manifest(name); });
    for (const auto& name : list_all(store_, kJobs)) judge(name, [&] { of_job(name); });
    for (const auto& name : list_all(store_, kClaimedEpochs)) judge(name, [&] { small(name); });
    judge(kTrash, [&] { (void)trash_in(store_); });
    tell_of_what_is_missing();
    return std::move(damage_);
  }

 private:
  template <class Look>
  void judge(const std::string& name, Look look) {
    try {
      look();
    } catch (const Error& e) {
      if (is_store_failure(e.code())) throw;
      damage_.push_back({name, e.failure()});
    }
  }

  std::vector<std::byte> named(const std::string& name, std::uint64_t most) {
    auto bytes = get_named(store_, name, most);
    whole_.insert(name);
    return bytes;
  }

  /// The next pack is read while this one is checked.
  void packs() {
    const auto names = list_all(store_, kPacks);
    const auto begin_read = [&](std::size_t i) {
      return std::async(std::launch::async | std::launch::deferred,
                        [this, name = names[i]] { return get(store_, name, kPackBytesMax); });
    };
    std::future<std::vector<std::byte>> next;
    if (!names.empty()) next = begin_read(0);
    for (std::size_t i = 0; i < names.size(); ++i) {
      auto read = std::move(next);
      if (i + 1 < names.size()) next = begin_read(i + 1);
      judge(names[i], [&] { pack(names[i], read.get()); });
    }
  }

  void pack(const std::string& name, const std::vector<std::byte>& bytes) {
    const auto id = id_in_name(name);
    if (!id) throw Error(Code::corrupt, fmt::format("{}: it is named after no bytes", name));
    const auto chunks = read_pack(bytes);
    std::vector<Digest> digests(chunks.size());
    // The pack's own id first: it takes longest.
    shared_.workers.for_each(chunks.size() + 1, [&](std::size_t item, unsigned slot) {
      if (item == 0) {
        if (id_of(bytes) == *id) return;
        throw Error(Code::corrupt, fmt::format("{}: its bytes are not those of its name", name));
      }
      const auto& chunk = chunks[item - 1];
      auto& [compressor, plain] = slots_[slot];
      plain.resize(chunk.bytes);
      decode_chunk(compressor, chunk, std::span(bytes).subspan(chunk.at, chunk.stored), plain);
      digests[item - 1] = digest_of(plain);
    });
    whole_.insert(name);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      chunks_.insert(chunks[i].id);
      shared_.whole.emplace(chunks[i].id, digests[i]);
    }
  }

  void node(const std::string& name) {
    for (const auto& chunk : decode_node(named(name, kNodeBytesMax)).chunks) {
      if (chunks_.contains(chunk)) continue;
      lacking_.try_emplace(name, fmt::format("its chunk {} is in no pack", to_string(chunk)));
    }
  }

  void need(const std::string& name, const std::string& needed) {
    needs_[name].push_back(needed);
    if (whole_.contains(needed)) return;
    lacking_.try_emplace(name, fmt::format("it needs {}, which is missing or damaged", needed));
  }

  void manifest(const std::string& name) {
    const auto manifest = decode_manifest(named(name, kManifestBytesMax));
    for (const auto& node : manifest.nodes) need(name, node_name(node));
    need(name, node_name(manifest.values));
  }

  /// Of objects that a snapshot needs, as a prune does: what a writer has left that was killed may
  /// lack something.
  void tell_of_what_is_missing() {
    const auto needed = marked(needs_, refs_);
    for (const auto& [name, what] : lacking_) {
      if (needed.contains(name)) damage_.push_back({name, what});
    }
  }

  void small(const std::string& name) {
    expect_checked(read_canonical(get(store_, name, kRefBytesMax), 64));
  }

  void of_job(const std::string& name) {
    const auto below = name.substr(name.find('/', name.find('/') + 1) + 1);
    if (!below.starts_with("refs/")) return small(name);
    refs_.insert(name);
    need(name, manifest_name(get_ref(store_, name).manifest));
  }

  /// What one thread has for itself.
  struct Slot {
    Compressor compressor;
    std::vector<std::byte> plain;
  };

  Store& store_;
  Verification& shared_;
  std::vector<Slot> slots_;
  std::set<std::string> whole_;
  std::set<ObjectId> chunks_;
  std::set<std::string> refs_;
  Needs needs_;
  std::map<std::string, std::string> lacking_;  // by object: what it needs and has not
  std::vector<Damage> damage_;
};

}  // namespace

std::vector<Damage> check_store(Store& store, Verification* shared) {
  if (shared != nullptr) return StoreCheck(store, *shared).run();
  Workers none(0);
  Verification alone{none};
  return StoreCheck(store, alone).run();
}

}  // namespace cardswap::store
