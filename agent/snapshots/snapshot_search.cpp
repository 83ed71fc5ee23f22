#include "agent/snapshots/snapshot_search.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <span>
#include <utility>

#include "agent/base/json_archive.h"
#include "agent/jobs/text_json.h"
#include "agent/process/run_in_child.h"
#include "migrator/base/error.h"
#include "migrator/store/log_index.h"
#include "migrator/store/open_store.h"
#include "migrator/store/read_intent.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/store/workers.h"

namespace cardswap::snapshots {

namespace json = boost::json;

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, SnapshotChoice>& m) {
  a("branch", m.branch);
  a("store", m.store);
  a("log_step", m.log_step);
  a("log_branch", m.log_branch);
  a("has_none_at_all", m.has_none_at_all);
  a("is_store_away", m.is_store_away);
}

namespace {

constexpr std::chrono::minutes kSearchMax{30};

/// What is wrong with the snapshot, as far as it is read; empty: what was read is what its trainer
/// had confirmed.
std::string what_is_wrong(store::Store& in, const store::PackCatalog& catalog,
                          const store::Ref& ref, store::Verification& shared, SearchDepth depth) {
  try {
    const store::SnapshotReader reader(in, catalog, ref);
    if (depth == SearchDepth::manifest) return {};
    const auto damaged = reader.verify({}, &shared);
    if (damaged.empty()) return {};
    return fmt::format("{}: {}", damaged.front().object, damaged.front().what);
  } catch (const Error& error) {
    if (store::is_store_failure(error.code())) throw;
    return error.failure();
  }
}

/// How far the job's own log leads on from the snapshot that was chosen. Every byte of it is read.
void look_at_log(store::Store& in, const SnapshotSearch& search, SnapshotChoice& choice) {
  const auto branch = search.line.branch.empty() ? "main" : search.line.branch;
  if (choice.ref->run != search.line.run || choice.ref->branch != branch) return;
  const auto reach = store::log_reach(in, *choice.ref, branch, UINT64_MAX, true);
  if (!reach.damage.empty()) {
    choice.damaged.push_back(
        fmt::format("its gradient log leads to step {} only: {}", reach.step, reach.damage));
  }
  if (reach.step <= choice.ref->step) return;
  choice.log_step = reach.step;
  choice.log_branch = branch;
}

SnapshotChoice choose_in(store::Store& in, const SnapshotSearch& search) {
  const store::ReadIntent reading(in, search.job);  // before it looks at anything
  const auto list = store::refs_of(in, search.job);
  store::PackCatalog catalog;
  if (search.depth == SearchDepth::bytes) catalog.refresh(in);
  store::Workers workers(search.depth == SearchDepth::bytes ? store::Workers::default_threads() : 0,
                         store::WorkPriority::background);
  store::Verification shared{workers};
  auto choice = choose_snapshot(
      list, search.line,
      [&](const store::Ref& ref) { return what_is_wrong(in, catalog, ref, shared, search.depth); },
      [&](const store::Ref& ref) { return store::known_parent_in(in, ref); });
  if (choice.ref) look_at_log(in, search, choice);
  return choice;
}

/// Runs in the child.
SnapshotChoice search_all(const SnapshotSearch& search) {
  SnapshotChoice all;
  all.has_none_at_all = true;
  for (const auto& address : search.stores) {
    bool is_open = false;
    try {
      const auto in = store::open_store(address);
      is_open = true;
      auto choice = choose_in(*in, search);
      all.has_none_at_all = all.has_none_at_all && choice.has_none_at_all;
      for (auto& text : choice.passed_over) all.passed_over.push_back(address + ": " + text);
      if (!choice.ref) continue;
      all.ref = std::move(choice.ref);
      all.branch = std::move(choice.branch);
      all.store = address;
      all.log_step = choice.log_step;
      all.log_branch = choice.log_branch;
      break;
    } catch (const Error& error) {
      all.passed_over.push_back(fmt::format("{}: {}", address, error.failure()));
      all.has_none_at_all = false;
      // One that is not there is away too: a snapshot of the job is known to be in it.
      const bool is_away = !is_open || store::is_store_failure(error.code());
      all.is_store_away = all.is_store_away || is_away;
    }
  }
  return all;
}

std::string to_answer(const SnapshotChoice& choice) {
  json::object answer;
  put_fields(answer, choice);
  answer["passed_over"] = json_of(choice.passed_over);
  if (choice.ref) {
    const auto ref = store::encode_ref(*choice.ref);
    answer["ref"] = std::string(reinterpret_cast<const char*>(ref.data()), ref.size());
  }
  return json::serialize(answer);
}

SnapshotChoice from_answer(const std::string& text) {
  const auto value = json::parse(text);
  const auto& answer = value.as_object();
  SnapshotChoice choice;
  read_fields(answer, choice);
  choice.passed_over = texts_at(answer, "passed_over");
  if (const auto ref = text_at(answer, "ref"); !ref.empty()) {
    choice.ref = store::decode_ref(std::as_bytes(std::span(ref)));
  }
  return choice;
}

}  // namespace

boost::asio::awaitable<SnapshotChoice> find_snapshot_to_go_on(SnapshotSearch search) {
  auto user = search.user;
  std::function<std::string()> look = [&search] { return to_answer(search_all(search)); };
  co_return from_answer(co_await run_as_user(std::move(user), kSearchMax, std::move(look)));
}

}  // namespace cardswap::snapshots
