#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/engine/state_view.h"
#include "migrator/wire/runtime_messages.h"
#include "runtime/log/log_writer.h"
#include "runtime/log/root_scan.h"
#include "runtime/tracker.h"

namespace cardswap {

/// Keeps the gradient log of a job whose state has one layout, from one boundary on: collects what
/// each step reads and leaves, and gives it to a LogWriter. Training thread only, except what says
/// otherwise. Its methods throw what the program's own state throws.
class StepRecorder {
 public:
  /// What `base_step` of the order says now counts; later ones come by set_base(). `view` is of the
  /// boundary at which it begins.
  StepRecorder(const channel::KeepLog& order, std::string job, std::uint64_t epoch,
               std::string writer, Tracker& tracker, std::shared_ptr<const StateView> view);
  ~StepRecorder();
  StepRecorder(const StepRecorder&) = delete;
  StepRecorder& operator=(const StepRecorder&) = delete;

  /// Adds an update of the step under way, before it is taken; from here on nothing reads the
  /// state.
  void before_update(std::optional<UpdateEntry> update);
  /// Adds the step that ends at this boundary. False: the state has another layout than before, so
  /// this recorder is over.
  [[nodiscard]] bool on_boundary(std::shared_ptr<const StateView> view);
  /// Reads no state any more: the program may rewrite it.
  void stop_reading() { scan_.interrupt(); }
  /// Waits until that step is in the store, or was left out.
  void wait();

  // ---- any thread
  void set_base(std::uint64_t step) { writer_.set_base(step); }
  [[nodiscard]] LogFigures figures() const { return writer_.figures(); }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

 private:
  /// A region that no update rewrites, and that is looked at at each boundary.
  struct Watched {
    std::uint32_t region = 0;
    std::size_t first_chunk = 0;
    std::size_t chunks = 0;
    Digest seen;  ///< of the digests of its chunks, at the boundary before
  };
  void choose_watched();
  /// Reads the watched regions; those that have changed are added to the step, if there is one.
  void read_watched(const StateView& view, std::vector<std::optional<Digest>>& known,
                    LoggedStep* into);

  const std::uint64_t epoch_;
  Tracker& tracker_;
  const Layout layout_;
  const std::shared_ptr<const std::vector<ChunkSpan>> chunks_;
  std::vector<Watched> watched_;
  std::vector<UpdateEntry> updates_;
  std::uint64_t latest_ = 0;
  LogWriter writer_;
  RootScan scan_;  // last: its thread tells the writer
};

}  // namespace cardswap
