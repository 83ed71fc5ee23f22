#pragma once

#include <filesystem>
#include <string>

#include "agent/handover/source/migration_record.h"
#include "agent/handover/source/past_predictions.h"

namespace cardswap {

/// Keeps this agent's PastPredictions in a file of its data folder, so that a restarted agent
/// predicts as well as the one before it.
///
/// Nothing depends on the file. A file that is damaged, half written, owned by another user or
/// cannot be read is renamed to <file>.damaged, and the log says so. If the file cannot be written,
/// the log says so once until it can, and the agent goes on with what it has in memory. No call
/// throws for that. Owned by Migrations; one thread.
class PredictionBook {
 public:
  /// `host`: this agent's host name, the start of all its paths.
  PredictionBook(std::filesystem::path file, std::string host);

  /// Reads what a former agent wrote; call it once.
  void load();
  /// Corrects the planner's prediction `raw` for a transfer of `m` by `strategy`.
  [[nodiscard]] CorrectedPrediction corrected(const MigrationRecord& m,
                                              const TransferRecord& transfer,
                                              std::string_view strategy, const StepCost& raw) const;
  /// Writes the prediction at convergence into `transfer`: raw and corrected.
  void predict(const MigrationRecord& m, TransferRecord& transfer) const;
  /// Learns from a transfer whose steps after the move are known, and writes the file. Does nothing
  /// if fewer than 3 of those steps are known.
  void learn(const MigrationRecord& m, const TransferRecord& transfer);

 private:
  void set_aside(const std::string& why);
  void store();

  const std::filesystem::path file_;
  const std::string host_;
  PastPredictions past_;
  bool failure_logged_ = false;  // that it could not be written
};

}  // namespace cardswap
