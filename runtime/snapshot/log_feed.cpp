#include "runtime/snapshot/log_feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

/// Puts a region's logged bytes into the state.
void put_region(const CapturedState& state, const store::LogPiece& piece,
                const std::vector<std::byte>& bytes) {
  if (piece.index >= state.view.memory.size() ||
      state.view.memory[piece.index].size() != bytes.size()) {
    throw Error(Code::corrupt, "the log has a region that the snapshot has not");
  }
  std::ranges::copy(bytes, state.view.memory[piece.index].begin());
}

/// A skipped step, or one whose update nobody saw, takes none.
std::vector<UpdateEntry> entries_of(const store::LogRecord& record) {
  std::vector<UpdateEntry> entries;
  for (const auto& update : record.updates) {
    auto& entry = entries.emplace_back();
    entry.step = record.step;
    entry.optimizer = update.optimizer;
    entry.options = update.options;
    for (const auto& gradient : update.gradients) {
      entry.gradients.push_back({static_cast<ParameterId>(gradient.index), {}, nullptr});
    }
  }
  return entries;
}

}  // namespace

LogFeed::LogFeed(store::Store& in, const store::Ref& from, const std::string& branch,
                 std::uint64_t step, CapturedState& state)
    : store_(in), job_(from.job), run_(from.run), step_(step), next_step_(from.step + 1) {
  const auto reach = store::log_reach(in, from, branch, step, false);
  if (reach.step != step) {
    throw Error(
        Code::not_found,
        fmt::format("the gradient log of job {} leads from step {} to {} and not to {}{}", job_,
                    from.step, reach.step, step, reach.damage.empty() ? "" : ": " + reach.damage),
        "`cardswap history` tells how far it leads");
  }
  parts_ = reach.parts;
  auto first = next_step_;
  for (const auto& part : parts_) {
    read_heads(part, first, state);
    first = part.last + 1;
  }
  state.step = state.view.step = step;
  state.state_digest = state_digest_;
}

void LogFeed::read_heads(const store::LogPart& part, std::uint64_t first, CapturedState& state) {
  store::LogSegmentReader reader(store_, store::log_name(job_, run_, part.segment));
  while (const auto placed = reader.next()) {
    const auto& record = placed->record;
    if (record.step < first) continue;
    if (record.step > part.last) break;
    reader.read_payload(
        *placed,
        [&](std::size_t piece, const std::vector<std::byte>& bytes) {
          put_region(state, record.regions[piece], bytes);
        },
        record.regions.size());
    if (record.step != step_) continue;
    state.values = record.values;
    state_digest_ = record.root.value();  // log_reach() ends at a step that has one
  }
}

void LogFeed::load(const store::LogPart& part, std::uint64_t step) {
  if (!reader_) reader_.emplace(store_, store::log_name(job_, run_, part.segment));
  while (const auto placed = reader_->next()) {
    const auto& record = placed->record;
    if (record.step < step) continue;
    loaded_ = entries_of(record);
    std::vector<std::vector<std::byte>> payload;
    reader_->read_payload(*placed, [&](std::size_t, std::vector<std::byte> bytes) {
      payload.push_back(std::move(bytes));
    });
    auto piece = record.regions.size();  // those were put into the state
    for (auto& entry : loaded_) {
      for (auto& gradient : entry.gradients) {
        auto owner = std::make_shared<const std::vector<std::byte>>(std::move(payload[piece++]));
        gradient.bytes = *owner;
        gradient.owner = std::move(owner);
      }
    }
    std::ranges::reverse(loaded_);
    return;
  }
  throw Error(Code::corrupt, fmt::format("step {} is not in the segment that it was in", step));
}

std::optional<UpdateEntry> LogFeed::next() {
  while (loaded_.empty() && next_step_ <= step_) {
    if (next_step_ > parts_.at(part_).last) {
      ++part_;
      reader_.reset();
    }
    load(parts_.at(part_), next_step_++);
  }
  if (loaded_.empty()) return std::nullopt;
  auto entry = std::move(loaded_.back());
  loaded_.pop_back();
  return entry;
}

}  // namespace cardswap
