#include "agent/handover/source/prediction_book.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "agent/base/address.h"
#include "agent/base/path_trust.h"
#include "agent/base/replace_file.h"

namespace cardswap {

namespace json = boost::json;

namespace {

/// What the most paths and moves take, several times over.
constexpr std::size_t kFileMax = 1U << 20U;
/// Fewer steps after the move are too few to say that the job has its pace again.
constexpr std::uint32_t kStepsAfterMin = 3;

MovePath move_path_of(const std::string& from, const MigrationRecord& m,
                      const TransferRecord& transfer, std::string_view strategy) {
  const auto to = parse_destination(transfer.to).host;
  return {canonical_host(from), canonical_host(without_zone(to)),
          m.spec.arrive == ArrivalMode::criu ? "criu" : std::string(strategy)};
}

}  // namespace

PredictionBook::PredictionBook(std::filesystem::path file, std::string host)
    : file_(std::move(file)), host_(std::move(host)) {}

void PredictionBook::load() {
  std::error_code unknown;
  const auto status = std::filesystem::symlink_status(file_, unknown);
  if (status.type() == std::filesystem::file_type::not_found) return;
  try {
    const auto text = read_own_file("the agent's predictions", file_, kFileMax);
    if (text.size() > kFileMax) throw Error(Code::corrupt, "it is too long");
    boost::system::error_code bad;
    const auto parsed = json::parse(text, bad);
    if (bad) throw Error(Code::corrupt, "it is not whole: " + bad.message());
    past_ = PastPredictions::from_json(parsed);
  } catch (const Error& error) {
    set_aside(error.failure());
  }
}

void PredictionBook::set_aside(const std::string& why) {
  const auto aside = file_.string() + ".damaged";
  const bool moved = std::rename(file_.c_str(), aside.c_str()) == 0;
  spdlog::warn(
      "what earlier moves taught of predictions is forgotten: {}; {}", why,
      moved ? "the file is kept as " + aside
            : fmt::format("and {} cannot be set aside: {}", file_.string(), std::strerror(errno)));
}

CorrectedPrediction PredictionBook::corrected(const MigrationRecord& m,
                                              const TransferRecord& transfer,
                                              std::string_view strategy,
                                              const StepCost& raw) const {
  return past_.corrected(move_path_of(host_, m, transfer, strategy), raw);
}

void PredictionBook::predict(const MigrationRecord& m, TransferRecord& transfer) const {
  const auto& stats = transfer.stats;
  const auto made =
      corrected(m, transfer, stats.strategy, {stats.expected_stall_ms, stats.expected_lost_ms});
  transfer.raw_stall_ms = made.raw.stall_ms;
  transfer.raw_lost_ms = made.raw.lost_ms;
  transfer.predicted_stall_ms = made.corrected.stall_ms;
  transfer.predicted_lost_ms = made.corrected.lost_ms;
  transfer.predicted_from_moves = made.moves;
}

void PredictionBook::learn(const MigrationRecord& m, const TransferRecord& transfer) {
  const auto summary = summary_of(transfer.lost_time, transfer.downtime_ms);
  if (!summary || !transfer.lost_time.crossed || summary->steps_after < kStepsAfterMin) return;
  past_.note(move_path_of(host_, m, transfer, transfer.stats.strategy),
             {transfer.raw_stall_ms, transfer.raw_lost_ms}, {summary->stall_ms, summary->lost_ms});
  store();
}

void PredictionBook::store() {
  const int failed = try_replace_file(file_, json::serialize(past_.to_json()) + "\n");
  if (failed != 0 && !failure_logged_) {
    spdlog::warn(
        "write {}: {}; until it can be written, an agent that restarts forgets what moves "
        "have taught",
        file_.string(), std::strerror(failed));
  }
  failure_logged_ = failed != 0;
}

}  // namespace cardswap
