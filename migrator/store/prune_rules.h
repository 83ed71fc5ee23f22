#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "migrator/store/trash.h"

/// What a prune may do, as pure functions of what it has seen. In this order it is safe against
/// writers, readers and other prunes at the same time, and against its own end anywhere:
///
/// 1. put a batch into trash (trash/N/objects): whoever comes later uses nothing of it;
/// 2. then list the intents, and put them beside it (trash/N/waits): those may not have seen it;
/// 3. once none of these is there any more, read all refs, mark, and remove what is unmarked: what
///    a writer of (2) has published is marked, and others have nothing of the batch.
///
/// No clock is in it but for the grace, in which people may change their mind.
namespace cardswap::store {

/// What each object needs, by names: a ref its manifest, a manifest its nodes, a node its packs.
using Needs = std::map<std::string, std::vector<std::string>>;

/// Everything that `roots` need, and they themselves.
[[nodiscard]] std::set<std::string> marked(const Needs& needs, const std::set<std::string>& roots);

/// What is to be put into trash next, in the order of its removal: `surplus` refs, and what no
/// other root needs. Roots are all refs; what is in trash already is no root and is not named
/// again. Order within `objects` is kept: refs, manifests, nodes, packs.
[[nodiscard]] std::vector<std::string> victims(const std::vector<std::string>& objects,
                                               const Needs& needs,
                                               const std::set<std::string>& roots,
                                               const std::set<std::string>& surplus,
                                               const std::set<std::string>& trashed);

/// Whether the batch may be removed now: its grace is over, and nobody is there who may not have
/// seen it. `intents`: listed just now, before refs are read.
[[nodiscard]] bool may_remove(const TrashBatch& batch, const std::set<std::string>& intents,
                              std::int64_t now_s, std::int64_t grace_s);

/// What of the batch goes, in its order: what none of `roots` needs. Roots are all refs that are
/// not of this batch, read after may_remove()'s intents.
[[nodiscard]] std::vector<std::string> removable(const TrashBatch& batch, const Needs& needs,
                                                 const std::set<std::string>& roots);

}  // namespace cardswap::store
