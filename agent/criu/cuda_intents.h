#pragma once

#include <boost/json/object.hpp>
#include <list>
#include <vector>

#include "agent/journal/journal.h"
#include "agent/process/process.h"
#include "cuda/driver_checkpoint.h"

namespace cardswap::criu {

/// A change of a process's CUDA state that is under way, and the process.
struct CudaIntent {
  /// The side of the move that the process is on.
  enum class Side : std::uint8_t {
    source,  ///< a process of a job that leaves: suspended until the move is over
    target,  ///< a process of a copy that was not granted the job yet
  };
  Side side = Side::source;
  ProcessId root;               ///< the root of the tree that the process belongs to
  cuda::CheckpointIntent what;  ///< the process, and the state that it is to reach
  bool operator==(const CudaIntent&) const = default;
};
[[nodiscard]] boost::json::object to_json(const CudaIntent& intent);
/// Reads to_json(). Throws Error{corrupt}.
[[nodiscard]] CudaIntent cuda_intent_from_json(const boost::json::object& record);

/// The intents that are not over. Each is on disk before anything is done to its process, so that a
/// restarted agent can undo it; the one exception is a process that is about to be killed, which
/// may be changed without (CudaState::suspend_before_kill()). `journal` must outlive it. One
/// thread.
class CudaIntents {
 public:
  /// Reads the intents that a former agent left; a record that cannot be read is set aside. Throws
  /// Error{io, corrupt} if the journal as a whole cannot be read.
  explicit CudaIntents(Journal& journal);

  /// Records an intent, in place of a former one of the same process. Throws Error{io, corrupt};
  /// then nothing may be done to a process that is to live on.
  void put(const CudaIntent& intent);
  /// Removes an intent that is over. If the disk refuses, that is only logged: carrying out an
  /// intent again does no harm.
  void remove(const CudaIntent& intent);

  [[nodiscard]] const std::list<CudaIntent>& all() const { return all_; }
  /// The intents of a tree, in the order in which they were put.
  [[nodiscard]] std::vector<CudaIntent> of(const ProcessId& root) const;

 private:
  Journal& journal_;
  std::list<CudaIntent> all_;
};

}  // namespace cardswap::criu
