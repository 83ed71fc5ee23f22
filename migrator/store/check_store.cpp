#include "migrator/store/check_store.h"

#include <fmt/format.h>

#include <set>
#include <string>

#include "migrator/base/error.h"
#include "migrator/core/compression.h"
#include "migrator/store/checked_json.h"
#include "migrator/store/json.h"
#include "migrator/store/manifest.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"
#include "migrator/store/node.h"
#include "migrator/store/pack.h"
#include "migrator/store/store_file.h"
#include "migrator/store/trash.h"

namespace cardswap::store {
namespace {

/// Reads a store once, from its packs up to its refs.
class StoreCheck {
 public:
  explicit StoreCheck(Store& store) : store_(store) {}

  std::vector<Corruption> run() {
    judge(kStoreFile, [&] { (void)read_store_file(store_); });
    for (const auto& name : list_all(store_, kPacks)) judge(name, [&] { pack(name); });
    for (const auto& name : list_all(store_, kNodes)) judge(name, [&] { node(name); });
    for (const auto& name : list_all(store_, kManifests)) judge(name, [&] { manifest(name); });
    for (const auto& name : list_all(store_, kJobs)) judge(name, [&] { of_job(name); });
    for (const auto& name : list_all(store_, kFences)) judge(name, [&] { small(name); });
    judge(kTrash, [&] { (void)trash_in(store_); });
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

  void pack(const std::string& name) {
    const auto bytes = named(name, kPackBytesMax);
    for (const auto& chunk : read_pack(bytes)) {
      plain_.resize(chunk.bytes);
      decode_chunk(compressor_, chunk, std::span(bytes).subspan(chunk.at, chunk.stored), plain_);
      chunks_.insert(chunk.id);
    }
  }

  void node(const std::string& name) {
    for (const auto& chunk : decode_node(named(name, kNodeBytesMax)).chunks) {
      if (!chunks_.contains(chunk)) {
        throw Error(Code::not_found, fmt::format("its chunk {} is in no pack", to_string(chunk)));
      }
    }
  }

  void need(const std::string& name) {
    if (whole_.contains(name)) return;
    throw Error(Code::not_found, fmt::format("it needs {}, which is missing or damaged", name));
  }

  void manifest(const std::string& name) {
    const auto manifest = decode_manifest(named(name, kManifestBytesMax));
    for (const auto& node : manifest.nodes) need(node_name(node));
    need(node_name(manifest.values));
  }

  void small(const std::string& name) {
    expect_checked(read_canonical(get(store_, name, kRefBytesMax), 64));
  }

  void of_job(const std::string& name) {
    const auto below = name.substr(name.find('/', name.find('/') + 1) + 1);
    if (!below.starts_with("refs/")) return small(name);
    const auto ref = decode_ref(get(store_, name, kRefBytesMax));
    if (ref_name(ref.job, ref.number) != name) throw Error(Code::corrupt, "it is another's ref");
    need(manifest_name(ref.manifest));
  }

  Store& store_;
  Compressor compressor_;
  std::vector<std::byte> plain_;
  std::set<std::string> whole_;
  std::set<ObjectId> chunks_;
  std::vector<Corruption> damage_;
};

}  // namespace

std::vector<Corruption> check_store(Store& store) { return StoreCheck(store).run(); }

}  // namespace cardswap::store
