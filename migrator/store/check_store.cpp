#include "migrator/store/check_store.h"

#include <fmt/format.h>

#include <array>
#include <future>
#include <string>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/compression.h"
#include "migrator/store/checked_json.h"
#include "migrator/store/json.h"
#include "migrator/store/log_index.h"
#include "migrator/store/log_segment.h"
#include "migrator/store/names.h"
#include "migrator/store/pack.h"
#include "migrator/store/pack_catalog.h"
#include "migrator/store/store_file.h"
#include "migrator/store/store_graph.h"
#include "migrator/store/trash.h"

namespace cardswap::store {
namespace {

/// Reads a store once, from its packs up to its refs.
class StoreCheck {
 public:
  StoreCheck(Store& store, Verification& shared)
      : store_(store), shared_(shared), slots_(shared.workers.slots()) {}

  std::vector<Damage> run() {
    const auto names = names_in(store_);
    look(kStoreFile, [&] { (void)read_store_file(store_); });
    if (!store_.size_of(kStoreFile)) damage_.push_back({kStoreFile, "it is missing"});
    packs(names.packs);
    const auto graph = read_graph(store_, names, catalog_);
    damage_.insert(damage_.end(), graph.damaged.begin(), graph.damaged.end());
    for (const auto& name : names.of_jobs) {
      if (name.find("/refs/") == std::string::npos) look(name, [&] { small(name); });
    }
    for (const auto& name : list_all(store_, kClaimedEpochs)) look(name, [&] { small(name); });
    for (const auto& name : list_all(store_, kLogs)) look(name, [&] { segment(name); });
    trash();
    return std::move(damage_);
  }

 private:
  template <class Look>
  void look(const std::string& name, Look read) {
    judge(store_, name, damage_, read);
  }

  /// The next pack is read while this one is checked.
  void packs(const std::vector<std::string>& names) {
    std::array<std::vector<std::byte>, 2> buffers;
    const auto begin_read = [&](std::size_t i) {
      return std::async(std::launch::async | std::launch::deferred, [&, i] {
        get_into(store_, names[i], kPackBytesMax, buffers[i % buffers.size()]);
      });
    };
    std::future<void> next;  // its end waits for who writes to `buffers`
    if (!names.empty()) next = begin_read(0);
    for (std::size_t i = 0; i < names.size(); ++i) {
      auto read = std::move(next);
      if (i + 1 < names.size()) next = begin_read(i + 1);
      look(names[i], [&] {
        read.get();
        pack(names[i], buffers[i % buffers.size()]);
      });
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
    catalog_.add(*id, chunks);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      shared_.whole.emplace(chunks[i].id, digests[i]);
    }
  }

  void trash() {
    try {
      (void)trash_in(store_);
    } catch (const Error& error) {
      if (is_store_failure(error.code())) throw;
      damage_.push_back({kTrash, error.failure()});
    }
  }

  void segment(const std::string& name) {
    LogSegmentReader reader(store_, name);
    while (const auto placed = reader.next()) {
      reader.read_payload(*placed, [](std::size_t, const std::vector<std::byte>&) {});
    }
  }

  void small(const std::string& name) {
    expect_checked(read_canonical(get(store_, name, kRefBytesMax), 64));
  }

  /// What one thread has for itself.
  struct Slot {
    Compressor compressor;
    std::vector<std::byte> plain;
  };

  Store& store_;
  Verification& shared_;
  std::vector<Slot> slots_;
  PackCatalog catalog_;  // of the packs that are whole
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
