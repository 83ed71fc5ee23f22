#pragma once

#include <boost/json/object.hpp>
#include <list>
#include <vector>

#include "agent/journal/journal.h"
#include "agent/process/process.h"
#include "cuda/driver_checkpoint.h"

namespace cardswap::criu {

/// What a process's CUDA state is being made to do, and whose it is.
struct CudaIntent {
  /// The side of the move that the process is on.
  enum class Side : std::uint8_t {
    source,  ///< of a job on its way out: suspended until the move is over
    target,  ///< of a copy that was not granted the job yet
  };
  Side side = Side::source;
  ProcessId root;  ///< of the tree that the process belongs to
  cuda::CheckpointIntent what;
  bool operator==(const CudaIntent&) const = default;
};
[[nodiscard]] boost::json::object to_json(const CudaIntent& intent);
/// Throws Error{corrupt}.
[[nodiscard]] CudaIntent cuda_intent_from_json(const boost::json::object& record);

/// The intents that are not over, on disk before anything is done to a process. One thread.
class CudaIntents {
 public:
  /// Takes up what a former agent left.
  explicit CudaIntents(Journal& journal);

  /// Records an intent, one for each process. Throws Error{io}: nothing may be done to it then.
  void put(const CudaIntent& intent);
  /// Removes an intent that is over. A disk that does not take that is logged: what is done twice
  /// does no harm.
  void remove(const CudaIntent& intent);

  [[nodiscard]] const std::list<CudaIntent>& all() const { return all_; }
  /// The intents of a tree, in the order in which they were put.
  [[nodiscard]] std::vector<CudaIntent> of(const ProcessId& root) const;

 private:
  Journal& journal_;
  std::list<CudaIntent> all_;
};

}  // namespace cardswap::criu
