#include "agent/cli/snapshots/diff_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

#include "agent/base/json_fields.h"
#include "agent/cli/snapshots/history_graph.h"
#include "agent/cli/snapshots/snapshot_time.h"
#include "agent/cli/text/fields.h"
#include "agent/cli/text/text.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kRegionsShown = 20;
constexpr std::size_t kIdShownInDiff = 12;

std::string name_of_side(const json::object& snapshot) {
  return fmt::format("{}@{}", text(snapshot, "job"), text(snapshot, "step"));
}

/// Both snapshots side by side.
std::string sides_text(const json::object& before, const json::object& after) {
  std::vector<std::vector<std::string>> rows{{"", name_of_side(before), name_of_side(after)}};
  const auto add = [&](const char* what, auto&& value_of) {
    rows.push_back({what, value_of(before), value_of(after)});
  };
  add("number", [](const json::object& one) { return text(one, "snapshot"); });
  add("branch", [](const json::object& one) { return text(one, "branch"); });
  add("taken", [](const json::object& one) { return time_text(number_at(one, "created_s")); });
  add("state", [](const json::object& one) { return size(one, "state_bytes"); });
  add("manifest",
      [](const json::object& one) { return text(one, "manifest").substr(0, kIdShownInDiff); });
  if (!metrics_text(before).empty() || !metrics_text(after).empty()) {
    add("metrics", [](const json::object& one) {
      return metrics_text(one).empty() ? "-" : metrics_text(one);
    });
  }
  return table(rows);
}

std::string region_text(const json::object& side) {
  return fmt::format("{} {} {}", text(side, "dtype"), text(side, "shape"), size(side, "bytes"));
}

std::string regions_text(const json::object& diff) {
  const auto& regions = array_at(diff, "regions");
  auto shown = fmt::format("regions   {} alike, {} added, removed or changed\n",
                           text(diff, "regions_alike"), regions.size());
  std::size_t count = 0;
  for (const auto& item : regions) {
    if (count++ == kRegionsShown) {
      return shown + fmt::format("  and {} more\n", regions.size() - kRegionsShown);
    }
    const auto& one = item.as_object();
    const auto& before = object_at(one, "before");
    const auto& after = object_at(one, "after");
    const char mark = before.empty() ? '+' : after.empty() ? '-' : '~';
    shown += fmt::format("  {} {}  {}{}{}\n", mark, text(one, "name"),
                         before.empty() ? "" : region_text(before), mark == '~' ? " -> " : "",
                         after.empty() ? "" : region_text(after));
  }
  return shown;
}

std::string chunks_text(const json::object& diff) {
  auto shown = fmt::format("chunks    {} of {} differ: {} of {}\n", text(diff, "chunks_changed"),
                           text(diff, "chunks"), size(diff, "bytes_changed"), size(diff, "bytes"));
  if (!flag_at(diff, "chunks_are_comparable")) {
    shown += "          theirs have different sizes, so each counts as another one\n";
  }
  const auto* values = value_at(diff, "values_differ");
  return shown + fmt::format("values    {}\n", values == nullptr ? "too large to compare"
                                               : flag_at(diff, "values_differ") ? "differ"
                                                                                : "are equal");
}

/// The regions with changed chunks, those with the most bytes first.
std::string changed_regions_text(const json::object& diff) {
  std::vector<const json::object*> regions;
  for (const auto& item : array_at(diff, "regions_changed")) regions.push_back(&item.as_object());
  std::ranges::stable_sort(regions, [](const json::object* a, const json::object* b) {
    return count_at(*a, "bytes_changed") > count_at(*b, "bytes_changed");
  });
  std::vector<std::vector<std::string>> rows{{"REGION", "CHUNKS", "BYTES"}};
  for (const auto* one : regions) {
    if (rows.size() > kRegionsShown) break;
    rows.push_back({text(*one, "region"),
                    text(*one, "chunks_changed") + " of " + text(*one, "chunks"),
                    size(*one, "bytes_changed") + " of " + size(*one, "bytes")});
  }
  if (regions.empty()) return "";
  auto shown = "\n" + table(rows);
  if (regions.size() > kRegionsShown) {
    shown += fmt::format("and {} more\n", regions.size() - kRegionsShown);
  }
  return shown;
}

std::string sizes_text(const json::object& side) {
  std::string all;
  for (const auto& size : array_at(side, "sizes")) {
    all += (all.empty() ? "" : ", ") + json::serialize(size);
  }
  return "[" + all + "]";
}

/// "Float [2, 3]", and behind an arrow what it became if that is another one.
std::string type_text(const json::object& tensor) {
  const auto& before = object_at(tensor, "before");
  const auto& after = object_at(tensor, "after");
  const auto told = [](const json::object& side) {
    return text(side, "dtype") + " " + sizes_text(side);
  };
  if (before.empty()) return told(after);
  if (after.empty() || told(before) == told(after)) return told(before);
  return told(before) + " -> " + told(after);
}

/// A number, or the text that stands for one that is not finite.
std::string figure(const json::object& from, std::string_view key) {
  const auto* value = value_at(from, key);
  if (value == nullptr) return "-";
  if (value->is_string()) return text(from, key);
  return fmt::format("{:.3g}", number_at(from, key));
}

std::string not_finite_text(const json::object& difference) {
  const auto told = [&](std::string_view key) {
    const auto& side = object_at(difference, key);
    return fmt::format("{} NaN, {} Inf", count_at(side, "nan"), count_at(side, "infinite"));
  };
  const auto before = told("not_finite_before");
  const auto after = told("not_finite_after");
  if (before == after) return before == "0 NaN, 0 Inf" ? "" : before;
  return before + " -> " + after;
}

std::string note_on_tensor(const json::object& tensor) {
  if (object_at(tensor, "before").empty()) return "added";
  if (object_at(tensor, "after").empty()) return "removed";
  const auto& difference = object_at(tensor, "difference");
  if (difference.empty()) return "another number of elements";
  return not_finite_text(difference);
}

std::string tensors_text(const json::object& diff) {
  const auto& tensors = array_at(diff, "tensors");
  auto shown = fmt::format("\ntensors   {} of {} differ\n", text(diff, "tensors_changed"),
                           text(diff, "tensors_compared"));
  if (tensors.empty()) return shown;
  std::vector<std::vector<std::string>> rows{
      {"TENSOR", "TYPE", "CHANGED", "MAX", "RMS", "RELATIVE", "COSINE", "NOTE"}};
  for (const auto& item : tensors) {
    const auto& one = item.as_object();
    const auto& difference = object_at(one, "difference");
    rows.push_back({text(one, "name"), type_text(one), text(difference, "changed"),
                    figure(difference, "max_abs"), figure(difference, "rms"),
                    figure(difference, "relative"), figure(difference, "cosine"),
                    note_on_tensor(one)});
  }
  shown += table(rows);
  if (const auto all = count_at(diff, "tensors_changed"); all > tensors.size()) {
    shown += fmt::format("and {} more: --top tells of them\n", all - tensors.size());
  }
  return shown;
}

}  // namespace

std::string diff_text(const json::object& diff) {
  auto shown = sides_text(object_at(diff, "before"), object_at(diff, "after"));
  shown += "\n" + regions_text(diff) + chunks_text(diff) + changed_regions_text(diff);
  if (diff.contains("tensors")) shown += tensors_text(diff);
  return shown;
}

}  // namespace cardswap::cli
