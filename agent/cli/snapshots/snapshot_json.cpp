#include "agent/cli/snapshots/snapshot_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

#include "agent/base/state_digest_json.h"
#include "agent/base/units.h"
#include "agent/cli/snapshots/damage_json.h"
#include "agent/cli/snapshots/history_graph.h"
#include "agent/cli/snapshots/number_json.h"
#include "agent/cli/snapshots/snapshot_time.h"
#include "agent/cli/text/fields.h"
#include "agent/cli/text/text.h"
#include "migrator/base/error.h"
#include "migrator/store/log_index.h"
#include "migrator/store/named_objects.h"
#include "migrator/store/names.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kIdShown = 12;

json::object ref_json(const store::Ref& ref) {
  return {{"job", ref.job},   {"snapshot", ref.number}, {"manifest", to_string(ref.manifest)},
          {"step", ref.step}, {"epoch", ref.epoch},     {"branch", ref.branch}};
}

std::string tags_text(const json::object& snapshot) {
  std::string all;
  for (const auto& tag : array_at(snapshot, "tags")) {
    all += (all.empty() ? "" : " ") + std::string(tag.as_string());
  }
  return all;
}

/// The fields of a snapshot of a job that has these tags.
json::object snapshot_fields(store::Store& in, const store::Ref& ref,
                             const std::vector<store::Tag>& all_tags) {
  auto all = ref_json(ref);
  json::array tags;
  for (const auto& tag : all_tags) {
    if (tag.number == ref.number) tags.emplace_back(tag.name);
  }
  all["tags"] = std::move(tags);
  const auto manifest = store::get_manifest(in, ref.manifest);
  json::array parents;
  for (const auto& parent : manifest.parents) parents.emplace_back(to_string(parent));
  json::array argv;
  for (const auto& word : manifest.program.argv) argv.emplace_back(word);
  json::object environment;
  for (const auto& [name, value] : manifest.program.environment) environment[name] = value;
  json::object metrics;
  for (const auto& [name, value] : manifest.metrics) metrics[name] = number_json(value);
  all["parents"] = std::move(parents);
  all["created_s"] = manifest.created_s;
  put_state_digest(all, json::value(to_string(manifest.state_digest)));
  all["state_bytes"] = manifest.layout.total_bytes();
  all["value_bytes"] = manifest.value_bytes;
  all["regions"] = manifest.layout.regions().size();
  all["tensors"] = manifest.tensors.size();
  all["argv"] = std::move(argv);
  all["env"] = std::move(environment);
  all["metrics"] = std::move(metrics);
  all["host"] = manifest.origin.host;
  all["device"] = manifest.origin.device;
  return all;
}

/// All of them.
std::string notes_text(const json::object& snapshot) {
  std::string all;
  for (const auto& note : object_at(snapshot, "metrics")) {
    const auto& value = note.value();
    all += fmt::format("{}{} {}", all.empty() ? "" : ", ", printable(note.key()),
                       value.is_double()   ? fmt::format("{}", value.get_double())
                       : value.is_string() ? printable(value.get_string())
                                           : json::serialize(value));
  }
  return all.empty() ? "none" : all;
}

}  // namespace

json::object snapshot_json(store::Store& in, const store::Ref& ref) {
  return snapshot_fields(in, ref, store::tags_of(in, ref.job).tags);
}

namespace {

/// Adds `log_to`: the last step to which the gradient log leads on from the snapshot; null: none.
void add_log_reach(json::object& to, store::Store& in, const store::Ref& ref,
                   std::vector<store::Damage>& damaged) {
  const auto reach = store::log_reach(in, ref, ref.branch, UINT64_MAX, false);
  to["log_to"] = reach.step > ref.step ? json::value(reach.step) : json::value(nullptr);
  const store::Damage found{fmt::format("the log of branch {}", ref.branch), reach.damage};
  if (reach.damage.empty() || std::ranges::find(damaged, found) != damaged.end()) return;
  damaged.push_back(found);
}

}  // namespace

json::object history_of(store::Store& in, const std::string& job) {
  const auto list = store::refs_of(in, job);
  const auto tags = store::tags_of(in, job);
  auto damaged = list.damaged;
  damaged.insert(damaged.end(), tags.damaged.begin(), tags.damaged.end());
  json::array snapshots;
  for (auto ref = list.refs.rbegin(); ref != list.refs.rend(); ++ref) {
    try {
      snapshots.push_back(snapshot_fields(in, *ref, tags.tags));
      add_log_reach(snapshots.back().as_object(), in, *ref, damaged);
    } catch (const Error& error) {
      if (store::is_store_failure(error.code())) throw;
      snapshots.push_back(ref_json(*ref));
      damaged.push_back({store::manifest_name(ref->manifest), error.failure()});
    }
  }
  return {{"job", job}, {"snapshots", std::move(snapshots)}, {"damaged", damage_json(damaged)}};
}

std::string history_table(const json::object& history) {
  std::vector<std::vector<std::string>> rows{
      {"NUMBER", "STEP", "EPOCH", "BRANCH", "TAKEN", "STATE", "FROM", "MANIFEST", "TAGS"}};
  const bool has_notes = std::ranges::any_of(array_at(history, "snapshots"), [](const auto& one) {
    return !metrics_text(one.as_object()).empty();
  });
  if (has_notes) rows[0].insert(rows[0].end() - 1, "NOTES");
  const bool has_log = std::ranges::any_of(array_at(history, "snapshots"), [](const auto& one) {
    return value_at(one.as_object(), "log_to") != nullptr;
  });
  if (has_log) rows[0].insert(rows[0].end() - 1, "LOG");
  for (const auto& item : array_at(history, "snapshots")) {
    const auto& one = item.as_object();
    const bool is_read = has_state_digest(one);
    rows.push_back({text(one, "snapshot"), text(one, "step"), text(one, "epoch"),
                    text(one, "branch"),
                    is_read ? time_text(number_at(one, "created_s")) : "damaged",
                    is_read ? size(one, "state_bytes") : "-",
                    is_read ? text(one, "host") + "/" + text(one, "device") : "-",
                    text(one, "manifest").substr(0, kIdShown), tags_text(one)});
    if (has_notes) rows.back().insert(rows.back().end() - 1, metrics_text(one));
    if (has_log) {
      const bool leads_on = value_at(one, "log_to") != nullptr;
      rows.back().insert(rows.back().end() - 1, leads_on ? "to " + text(one, "log_to") : "-");
    }
  }
  auto shown =
      rows.size() == 1 ? fmt::format("no snapshot of job {}\n", text(history, "job")) : table(rows);
  return shown + damage_lines(history, "damaged: ");
}

std::string snapshot_text(const json::object& one) {
  const auto joined = [&](std::string_view key) {
    std::string all;
    for (const auto& word : array_at(one, key)) {
      all += (all.empty() ? "" : " ") + std::string(word.as_string());
    }
    return all;
  };
  return fmt::format(
      "snapshot  {} of job {}, branch {}{}\n"
      "step      {}, under epoch {}\n"
      "taken     {} on {}/{}\n"
      "state     {} in {} regions, {} bytes of values\n"
      "digest    {}\n"
      "manifest  {}\n"
      "parents   {}\n"
      "notes     {}\n"
      "program   {}\n",
      text(one, "snapshot"), text(one, "job"), text(one, "branch"),
      tags_text(one).empty() ? "" : ", tags " + tags_text(one), text(one, "step"),
      text(one, "epoch"), time_text(number_at(one, "created_s")), text(one, "host"),
      text(one, "device"), size(one, "state_bytes"), text(one, "regions"), text(one, "value_bytes"),
      state_digest_at(one), text(one, "manifest"),
      joined("parents").empty() ? "none" : joined("parents"), notes_text(one), joined("argv"));
}

}  // namespace cardswap::cli
