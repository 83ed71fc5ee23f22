#include "runtime/keeper/read_snapshot.h"

#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/names.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/wire/data_messages.h"
#include "runtime/keeper/received_memory.h"

namespace cardswap {

namespace {

/// Makes a ref from the manifest; SnapshotReader then checks the manifest against its id.
store::Ref ref_of(store::Store& from, const store::ObjectId& id) {
  const auto about =
      store::decode_manifest(store::get(from, store::manifest_name(id), store::kManifestBytesMax));
  return {about.job, 0, id, about.branch, about.step, about.epoch};
}

}  // namespace

CapturedState read_snapshot(store::Store& from, const store::ObjectId& manifest) {
  store::PackCatalog catalog;
  catalog.refresh(from);
  const store::SnapshotReader reader(from, catalog, ref_of(from, manifest));
  const auto& about = reader.manifest();
  CapturedState state;
  ReceivedMemory memory;
  state.view = memory.adopt(about.layout);
  Compressor compressor;
  for (std::size_t i = 0; i < state.view.memory.size(); ++i) {
    reader.read(compressor, static_cast<RegionId>(i), 0, state.view.memory[i]);
  }
  state.values = reader.values(compressor);
  state.step = state.view.step = about.step;
  std::vector<Digest> digests;
  for (const auto& chunk : cut_into_chunks(about.layout, about.chunk_bytes)) {
    digests.push_back(digest_of(range_of(state.view, chunk).bytes));
  }
  state.root = data::root_of(about.layout, digests, digest_of(state.values));
  if (state.root != about.root) {
    throw Error(Code::corrupt, "the snapshot's bytes are not those that its trainer confirmed");
  }
  return state;
}

}  // namespace cardswap
