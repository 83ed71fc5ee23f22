#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "migrator/base/error.h"
#include "migrator/store/intent.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// The Intent of one who reads snapshots: nothing that was not in trash before is removed from
/// under it. Make it before you choose a snapshot, and keep it while you read.
///
/// Its owner names the process, "read-HOST-PID-START-N" (mark_of_this_process()), so that a prune
/// on this host removes it once that process has ended, whoever has killed it. Where nobody can
/// know that, a batch in trash waits kReadSecondsMax for it, and the next prune removes it then.
/// One thread; the store outlives this.
class ReadIntent {
 public:
  /// Puts the object. It goes without where that is not possible, on a disk that is read-only, full
  /// or another user's say: then failed() says why, and what a prune gives up meanwhile may be gone
  /// before it is read. Puts nothing where the job has no snapshot, of which nothing can be read.
  /// Throws Error{bad_request} when `job` is not a label.
  ReadIntent(Store& store, const std::string& job);
  /// Does the same for that owner, a label for which is_reader() holds.
  ReadIntent(Store& store, const std::string& job, const std::string& owner);

  /// Why there is no object; nullopt: there is, or there is nothing to hold.
  [[nodiscard]] const std::optional<Error>& failed() const { return failed_; }

 private:
  std::optional<Intent> intent_;
  std::optional<Error> failed_;
};

/// Whether an intent's owner, the last part of its name, is a reader and not a writer.
[[nodiscard]] bool is_reader(std::string_view owner);
/// Whether the reader's process has ended for certain: it was one of this host. False for a writer.
[[nodiscard]] bool has_reader_ended(std::string_view owner);

}  // namespace cardswap::store
