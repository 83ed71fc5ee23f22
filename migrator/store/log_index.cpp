#include "migrator/store/log_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/log_segment.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"

namespace cardswap::store {
namespace {

std::string checked_label(const std::string& text) {
  if (is_label(text)) return text;
  throw Error(Code::bad_request, fmt::format("'{}' is no label", text.substr(0, 80)));
}

/// Reads on from a snapshot, record by record, as far as they lead.
class ReachReader {
 public:
  ReachReader(Store& in, const Ref& from, std::uint64_t step_max, bool whole)
      : store_(in),
        from_(from),
        manifest_(get_manifest(in, from.manifest)),
        step_max_(step_max),
        whole_(whole),
        next_(from.step + 1) {
    reach_.step = from.step;
  }

  LogReach run(const std::vector<LogPart>& parts) {
    std::size_t proven = 0;
    for (const auto& part : parts) {
      if (part.segment.first > step_max_) break;
      reach_.parts.push_back(part);
      const auto before = reach_.step;
      const bool goes_on = is_readable(part);
      if (reach_.step != before) proven = reach_.parts.size();
      if (!goes_on) break;
    }
    reach_.parts.resize(proven);
    if (proven != 0) reach_.parts.back().last = reach_.step;
    return std::move(reach_);
  }

 private:
  /// False: it leads no further.
  bool is_readable(const LogPart& part) {
    const auto name = log_name(from_.job, from_.run, part.segment);
    try {
      LogSegmentReader reader(store_, name);
      if (reader.start().layout != manifest_.layout.digest() ||
          reader.start().chunk_bytes != manifest_.chunk_bytes) {
        reach_.has_new_layout = true;
        return false;
      }
      while (const auto placed = reader.next()) {
        if (placed->record.step < next_) continue;
        if (placed->record.step > step_max_) return false;
        if (placed->record.step > part.last) return true;
        if (placed->record.step != next_) {
          reach_.damage = fmt::format("{}: step {} is missing", name, next_);
          return false;
        }
        if (whole_) reader.read_payload(*placed, [](std::size_t, std::vector<std::byte>) {});
        if (placed->record.root) reach_.step = next_;
        ++next_;
      }
    } catch (const Error& error) {
      if (is_store_failure(error.code())) throw;
      reach_.damage = error.failure();
      return false;
    }
    return true;
  }

  Store& store_;
  const Ref& from_;
  const Manifest manifest_;
  const std::uint64_t step_max_;
  const bool whole_;
  std::uint64_t next_;
  LogReach reach_;
};

/// The branch of an epoch's segments, by the first of them. Nullopt: it cannot be read.
std::optional<std::string> branch_of(Store& in, const std::string& name) {
  try {
    return LogSegmentReader(in, name).start().branch;
  } catch (const Error& error) {
    if (is_store_failure(error.code())) throw;
    return std::nullopt;
  }
}

}  // namespace

std::string log_prefix(const std::string& job, const std::string& run) {
  return fmt::format("{}{}/{}/", kLogs, checked_label(job), checked_label(run));
}

std::string log_name(const std::string& job, const std::string& run, const LogSegment& segment) {
  return fmt::format("{}{:020}/{:020}-{:020}", log_prefix(job, run), segment.epoch, segment.first,
                     segment.last);
}

std::optional<LogSegment> segment_in_name(const std::string& name) {
  const auto slash = name.rfind('/');
  if (slash == std::string::npos || slash == 0) return std::nullopt;
  const auto dash = name.find('-', slash);
  if (dash == std::string::npos) return std::nullopt;
  const auto epoch = number_in_name(name.substr(0, slash));
  const auto first = number_in_name(name.substr(0, dash));
  const auto last = number_in_name("/" + name.substr(dash + 1));
  if (!epoch || !first || !last || *last < *first) return std::nullopt;
  return LogSegment{*epoch, *first, *last};
}

std::vector<LogPart> parts_after(std::vector<LogSegment> segments, const LogBase& base) {
  std::erase_if(segments, [&](const LogSegment& one) { return one.epoch < base.epoch; });
  std::ranges::sort(segments);
  std::map<std::uint64_t, std::uint64_t> begins;  // of each epoch: the first step that it has
  for (const auto& one : segments) begins.try_emplace(one.epoch, one.first);
  std::vector<LogPart> parts;
  auto next = base.step + 1;
  for (const auto& one : segments) {
    auto last = one.last;  // up to where a later epoch begins
    for (const auto& [epoch, first] : begins) {
      if (epoch > one.epoch) last = std::min(last, first - 1);
    }
    if (one.first > next || last < next) continue;
    parts.push_back({one, last});
    next = last + 1;
  }
  return parts;
}

std::vector<LogSegment> log_segments(Store& in, const std::string& job, const std::string& run,
                                     const std::string& branch) {
  std::vector<LogSegment> segments;
  std::map<std::uint64_t, bool> is_of_branch;  // by epoch
  for (const auto& name : list_all(in, log_prefix(job, run))) {
    auto segment = segment_in_name(name);
    if (!segment) continue;
    if (!is_of_branch.contains(segment->epoch)) {
      is_of_branch[segment->epoch] = branch_of(in, name) == branch;
    }
    if (!is_of_branch[segment->epoch]) continue;
    segment->bytes = in.size_of(name).value_or(0);
    segments.push_back(*segment);
  }
  return segments;
}

LogReach log_reach(Store& in, const Ref& from, const std::string& branch, std::uint64_t step_max,
                   bool whole) {
  LogReach none;
  none.step = from.step;
  if (!is_label(from.run) || step_max <= from.step) return none;
  const auto parts =
      parts_after(log_segments(in, from.job, from.run, branch), {from.step, from.epoch});
  if (parts.empty()) return none;
  return ReachReader(in, from, step_max, whole).run(parts);
}

}  // namespace cardswap::store
