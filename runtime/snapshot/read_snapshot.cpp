#include "runtime/snapshot/read_snapshot.h"

#include <fmt/format.h>

#include <cstdio>

#include "migrator/base/error.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"
#include "migrator/store/read_intent.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/wire/data_messages.h"
#include "runtime/snapshot/received_memory.h"

namespace cardswap {

CapturedState read_snapshot(store::Store& from, const store::ObjectId& manifest) {
  const store::ReadIntent reading(from, store::get_manifest(from, manifest).job);
  if (reading.failed()) {
    fmt::print(stderr, "cardswap-keeper: no prune knows that the snapshot is read: {}\n",
               reading.failed()->what());
  }
  store::PackCatalog catalog;
  catalog.refresh(from);
  const store::SnapshotReader reader(from, catalog, manifest);
  const auto& about = reader.manifest();
  CapturedState state;
  ReceivedMemory memory;
  state.view = memory.adopt(about.layout);
  store::Workers workers;  // the job waits for them
  const auto digests = reader.read_all(workers, state.view.memory);
  Compressor compressor;
  state.values = reader.values(compressor);
  state.step = state.view.step = about.step;
  state.chunk_bytes = about.chunk_bytes;
  state.state_digest = data::state_digest_of(about.layout, digests, digest_of(state.values));
  if (state.state_digest != about.state_digest) {
    throw Error(Code::corrupt,
                store::manifest_name(manifest) +
                    ": the snapshot's bytes are not those that its trainer confirmed");
  }
  return state;
}

}  // namespace cardswap
