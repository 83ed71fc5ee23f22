#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "migrator/store/trash.h"

/// The decisions of a prune, as pure functions. In the following order a prune is safe while
/// writers, readers with an Intent and other prunes run, and if it is killed anywhere:
///
// clang-format off
/// 1. It puts a batch into trash (trash/N/objects). Readers and writers that begin later use nothing
///    of the batch; a reader that misses a pack of it finds the chunk in the pack that was kept.
/// 2. Then it lists the intents and puts the list beside the batch (trash/N/waits). The owners of
///    these may not have seen the batch.
/// 3. When none of these intents exists any more, it reads all refs, marks what they need, and
///    removes the objects of the batch that are not marked. What the writers of (2) have published is
///    marked, and other writers use nothing of the batch.
// clang-format on
///
/// There are two times in this. In the grace people may change their mind; who reads without an
/// Intent, because the store is read-only for it, has to end in it or misses objects. And a batch
/// waits for a reader kReadSecondsMax at most: one that was killed on another host is not known to
/// have ended. Writers are waited for without an end. Both times count from when the batch was put
/// into trash, by the clock of those who prune: no reader's clock is needed.
namespace cardswap::store {

/// How long after it was put into trash a batch waits for readers, unless its grace is longer.
inline constexpr std::int64_t kReadSecondsMax = 24 * 3600;

/// The objects that each object needs, by name: a ref needs its manifest, a manifest its nodes, a
/// node its packs.
using Needs = std::map<std::string, std::vector<std::string>>;

/// `roots`, and everything that they need directly or indirectly.
[[nodiscard]] std::set<std::string> marked(const Needs& needs, const std::set<std::string>& roots);

/// The objects to put into trash next, in the order of their removal: the `surplus` refs, and all
/// that no other root needs. `objects` is ordered: refs, manifests, nodes, packs; the result keeps
/// that order. `roots`: all refs. Objects in `trashed` do not count as roots and are not returned.
[[nodiscard]] std::vector<std::string> victims(const std::vector<std::string>& objects,
                                               const Needs& needs,
                                               const std::set<std::string>& roots,
                                               const std::set<std::string>& surplus,
                                               const std::set<std::string>& trashed);

/// Whether the batch may be removed now: its grace is over, its list of intents exists, and it
/// waits for none of these. `intents`: all intents, listed now and before refs are read.
[[nodiscard]] bool may_remove(const TrashBatch& batch, const std::set<std::string>& intents,
                              std::int64_t now_s, std::int64_t grace_s);

/// The intents for which the batch waits: those of its list that exist, readers only for
/// kReadSecondsMax. Empty as well where it has no list yet.
[[nodiscard]] std::vector<std::string> waited_for(const TrashBatch& batch,
                                                  const std::set<std::string>& intents,
                                                  std::int64_t now_s);
/// The intents of its list that exist, and are of readers that are not waited for any more.
[[nodiscard]] std::vector<std::string> overdue_readers(const TrashBatch& batch,
                                                       const std::set<std::string>& intents,
                                                       std::int64_t now_s);

/// The objects of the batch that may be removed, in its order: those that no root needs. `roots`:
/// all refs that are not in this batch, read after the intents for may_remove().
[[nodiscard]] std::vector<std::string> removable(const TrashBatch& batch, const Needs& needs,
                                                 const std::set<std::string>& roots);

}  // namespace cardswap::store
