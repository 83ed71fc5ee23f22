#include "agent/cli/snapshots/snapshot_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "agent/base/text_parts.h"
#include "migrator/base/error.h"
#include "migrator/store/names.h"

namespace cardswap::cli {
namespace {

constexpr std::string_view kLatest = "latest";
constexpr std::size_t kStepsShown = 10;

[[noreturn]] void refuse(std::string_view text) {
  throw Error(Code::bad_request, fmt::format("'{}' names no snapshot", text),
              "write it like gpt@3400, gpt@latest or gpt:TAG; `cardswap history` lists them");
}

/// Lists the steps of snapshots, the newest first.
std::string steps_text(const std::vector<store::Ref>& refs) {
  std::string all;
  std::size_t shown = 0;
  for (auto ref = refs.rbegin(); ref != refs.rend() && shown < kStepsShown; ++ref, ++shown) {
    all += fmt::format("{}{}", all.empty() ? "" : ", ", ref->step);
  }
  return refs.size() > shown ? fmt::format("{} and {} more", all, refs.size() - shown) : all;
}

[[noreturn]] void miss(const SnapshotName& name, const std::vector<store::Ref>& others) {
  const auto hint =
      others.empty()
          ? fmt::format("it has none of job {}", name.job)
          : fmt::format("it has those of step {}: `cardswap history {}` tells more of them",
                        steps_text(others), name.job);
  throw Error(Code::not_found,
              fmt::format("there is no snapshot {}{}{} in that store", name.job,
                          name.tag.empty() ? "@" : ":", name.tag.empty() ? name.at : name.tag),
              hint);
}

}  // namespace

SnapshotName snapshot_name_from(std::string_view text) {
  const auto cut = text.find_first_of("@:");
  if (cut == std::string_view::npos) refuse(text);
  SnapshotName name;
  name.job = text.substr(0, cut);
  const auto rest = std::string(text.substr(cut + 1));
  const bool by_tag = text[cut] == ':';
  (by_tag ? name.tag : name.at) = rest;
  const bool is_right =
      store::is_label(name.job) &&
      (by_tag ? store::is_label(rest) : rest == kLatest || number_in<std::uint64_t>(rest));
  if (!is_right) refuse(text);
  return name;
}

store::Ref find_snapshot(store::Store& in, const SnapshotName& name) {
  const auto all = store::refs_of(in, name.job);
  const auto newest = [&](auto is_it) {
    const auto found = std::find_if(all.refs.rbegin(), all.refs.rend(), is_it);
    if (found == all.refs.rend()) miss(name, all.refs);
    return *found;
  };
  if (name.at == kLatest) return newest([](const store::Ref&) { return true; });
  if (name.tag.empty()) {
    const auto step = number_in<std::uint64_t>(name.at).value_or(0);
    return newest([step](const store::Ref& ref) { return ref.step == step; });
  }
  const auto tags = store::tags_of(in, name.job);
  for (const auto& one : tags.damaged) {
    if (!one.object.starts_with(store::tag_prefix(name.job, name.tag))) continue;
    throw Error(Code::corrupt,
                fmt::format("it is not known which snapshot has the tag {}: {}: {}", name.tag,
                            one.object, one.what),
                fmt::format("choose it by its step: `cardswap history {}` lists them", name.job));
  }
  for (const auto& tag : tags.tags) {
    if (tag.name != name.tag) continue;
    return newest([&](const store::Ref& ref) { return ref.number == tag.number; });
  }
  miss(name, all.refs);
}

}  // namespace cardswap::cli
