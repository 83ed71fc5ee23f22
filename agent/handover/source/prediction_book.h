#pragma once

#include <filesystem>
#include <string>

#include "agent/handover/source/migration_record.h"
#include "agent/handover/source/past_predictions.h"

namespace cardswap {

/// Keeps this agent's PastPredictions in a file of its data folder, so that a restarted agent
/// predicts as well as the one before it.
///
/// Nothing depends on the file. One that is damaged, half written or somebody else's is set aside
/// as <file>.damaged, and the log says so. If the file cannot be written, the log says so once, and
/// the agent goes on with what it has in memory. Owned by Migrations; one thread.
class PredictionBook {
 public:
  /// `host`: this agent's, from which its jobs leave.
  PredictionBook(std::filesystem::path file, std::string host);

  /// Reads what a former agent wrote; once.
  void load();
  /// Corrects what the planner predicts of a transfer of `m` by `strategy`.
  [[nodiscard]] CorrectedPrediction corrected(const MigrationRecord& m,
                                              const TransferRecord& transfer,
                                              std::string_view strategy,
                                              const StallAndLost& raw) const;
  /// Notes on a transfer what was predicted of it when it converged.
  void predict(const MigrationRecord& m, TransferRecord& transfer) const;
  /// Learns from a transfer whose last steps were heard of; from one that tells too little it
  /// learns nothing.
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
