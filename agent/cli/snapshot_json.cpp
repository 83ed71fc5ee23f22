#include "agent/cli/snapshot_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <ctime>
#include <vector>

#include "agent/base/units.h"
#include "agent/cli/fields.h"
#include "agent/cli/text.h"
#include "migrator/base/error.h"
#include "migrator/store/manifest.h"
#include "migrator/store/names.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kIdShown = 12;

store::Manifest manifest_of(store::Store& in, const store::Ref& ref) {
  const auto bytes = store::get(in, store::manifest_name(ref.manifest), store::kManifestBytesMax);
  if (store::id_of(bytes) != ref.manifest) {
    throw Error(Code::corrupt, fmt::format("the manifest {} is another one than its name says",
                                           to_string(ref.manifest)));
  }
  return store::decode_manifest(bytes);
}

std::string time_text(double seconds) {
  const auto at = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&at, &parts);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

json::object ref_json(const store::Ref& ref) {
  return {{"job", ref.job},   {"snapshot", ref.number}, {"manifest", to_string(ref.manifest)},
          {"step", ref.step}, {"epoch", ref.epoch},  {"branch", ref.branch}};
}

std::string tags_text(const json::object& snapshot) {
  std::string all;
  for (const auto& tag : array_at(snapshot, "tags")) {
    all += (all.empty() ? "" : " ") + std::string(tag.as_string());
  }
  return all;
}

}  // namespace

json::object snapshot_json(store::Store& in, const store::Ref& ref) {
  auto all = ref_json(ref);
  json::array tags;
  for (const auto& tag : store::tags_of(in, ref.job)) {
    if (tag.number == ref.number) tags.emplace_back(tag.name);
  }
  all["tags"] = std::move(tags);
  const auto manifest = manifest_of(in, ref);
  json::array parents;
  for (const auto& parent : manifest.parents) parents.emplace_back(to_string(parent));
  json::array argv;
  for (const auto& word : manifest.program.argv) argv.emplace_back(word);
  json::object environment;
  for (const auto& [name, value] : manifest.program.environment) environment[name] = value;
  json::object metrics;
  for (const auto& [name, value] : manifest.metrics) metrics[name] = value;
  all["parents"] = std::move(parents);
  all["created_s"] = manifest.created_s;
  all["root"] = to_string(manifest.root);
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

json::object history_of(store::Store& in, const std::string& job) {
  const auto list = store::refs_of(in, job);
  json::array damaged;
  for (const auto& one : list.damaged) {
    damaged.push_back(json::object{{"object", one.object}, {"what", one.what}});
  }
  json::array snapshots;
  for (auto ref = list.refs.rbegin(); ref != list.refs.rend(); ++ref) {
    try {
      snapshots.push_back(snapshot_json(in, *ref));
    } catch (const Error& error) {
      snapshots.push_back(ref_json(*ref));
      damaged.push_back(
          json::object{{"object", store::manifest_name(ref->manifest)}, {"what", error.failure()}});
    }
  }
  return {{"job", job}, {"snapshots", std::move(snapshots)}, {"damaged", std::move(damaged)}};
}

std::string history_table(const json::object& history) {
  std::vector<std::vector<std::string>> rows{
      {"NUMBER", "STEP", "EPOCH", "BRANCH", "TAKEN", "STATE", "FROM", "MANIFEST", "TAGS"}};
  for (const auto& item : array_at(history, "snapshots")) {
    const auto& one = item.as_object();
    const bool is_read = one.contains("root");
    rows.push_back({text(one, "snapshot"), text(one, "step"), text(one, "epoch"),
                    text(one, "branch"),
                    is_read ? time_text(number_at(one, "created_s")) : "damaged",
                    is_read ? size(one, "state_bytes") : "-",
                    is_read ? text(one, "host") + "/" + text(one, "device") : "-",
                    text(one, "manifest").substr(0, kIdShown), tags_text(one)});
  }
  auto shown =
      rows.size() == 1 ? fmt::format("no snapshot of job {}\n", text(history, "job")) : table(rows);
  for (const auto& item : array_at(history, "damaged")) {
    const auto& one = item.as_object();
    shown += fmt::format("damaged: {}: {}\n", text(one, "object"), text(one, "what"));
  }
  return shown;
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
      "root      {}\n"
      "manifest  {}\n"
      "parents   {}\n"
      "program   {}\n",
      text(one, "snapshot"), text(one, "job"), text(one, "branch"),
      tags_text(one).empty() ? "" : ", tags " + tags_text(one), text(one, "step"),
      text(one, "epoch"), time_text(number_at(one, "created_s")), text(one, "host"),
      text(one, "device"), size(one, "state_bytes"), text(one, "regions"), text(one, "value_bytes"),
      text(one, "root"), text(one, "manifest"),
      joined("parents").empty() ? "none" : joined("parents"), joined("argv"));
}

}  // namespace cardswap::cli
