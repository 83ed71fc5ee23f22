#include "migrator/store/refs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "migrator/base/error.h"
#include "migrator/store/checked_json.h"
#include "migrator/store/json.h"
#include "migrator/store/names.h"
#include "migrator/store/trash.h"

namespace cardswap::store {
namespace {

constexpr std::uint64_t kRefFormat = 1;
constexpr std::size_t kRefValuesMax = 64;
constexpr std::size_t kRunDigits = 32;

/// The number in the object that records where the tag is.
std::uint64_t read_tag(Store& store, const std::string& object, const std::string& tag) {
  const auto json = read_canonical(get(store, object, kRefBytesMax), kRefValuesMax);
  if (json.at("format").number() != kRefFormat) {
    throw Error(Code::protocol_mismatch, "a newer release has written it");
  }
  expect_checked(json);
  if (json.at("name").text() != tag) throw Error(Code::corrupt, "it is the record of another tag");
  return json.at("seq").number();
}

}  // namespace

std::string run_of(const std::string& job_uid) {
  if (job_uid.empty()) return {};
  return to_string(id_of(std::as_bytes(std::span(job_uid)))).substr(0, kRunDigits);
}

bool is_of_run(const Ref& ref, const std::string& run) {
  return run.empty() || ref.run.empty() || ref.run == run;
}

std::vector<std::byte> encode_ref(const Ref& ref) {
  JsonObject json{{"branch", ref.branch},
                  {"epoch", ref.epoch},
                  {"format", kRefFormat},
                  {"job", ref.job},
                  {"manifest", to_string(ref.manifest)},
                  {"seq", ref.number},
                  {"step", ref.step}};
  if (!ref.run.empty()) json.push_back({"run", ref.run});
  return canonical_bytes(json);
}

Ref decode_ref(std::span<const std::byte> bytes) {
  if (bytes.size() > kRefBytesMax) throw Error(Code::corrupt, "ref: it is too long");
  try {
    const auto json = read_canonical(bytes, kRefValuesMax);
    if (json.at("format").number() != kRefFormat) {
      throw Error(Code::protocol_mismatch, "a newer release has written it");
    }
    Ref ref{json.at("job").text(),
            json.at("seq").number(),
            object_id_from(json.at("manifest").text()),
            json.at("branch").text(),
            json.at("step").number(),
            json.at("epoch").number()};
    if (!json.at("run").is_null()) ref.run = json.at("run").text();
    if (!is_label(ref.job) || !is_label(ref.branch) || ref.number == 0) {
      throw Error(Code::corrupt, "its names or its number are not valid");
    }
    return ref;
  } catch (const Error& e) {
    throw Error(e.code() == Code::bad_request ? Code::corrupt : e.code(), "ref: " + e.failure());
  }
}

Ref get_ref(Store& store, const std::string& name) {
  auto ref = decode_ref(get(store, name, kRefBytesMax));
  if (ref_name(ref.job, ref.number) != name) {
    throw Error(Code::corrupt, "it is another job's or number's ref");
  }
  return ref;
}

RefList refs_of(Store& store, const std::string& job) {
  const auto trashed = trashed_in(store);
  RefList list;
  for (const auto& name : list_all(store, refs_prefix(job))) {
    const auto number = number_in_name(name);
    if (number) list.last_number = std::max(list.last_number, *number);
    if (trashed.contains(name)) continue;
    try {
      list.refs.push_back(get_ref(store, name));
    } catch (const Error& e) {
      if (is_store_failure(e.code())) throw;
      if (e.code() != Code::not_found) list.damaged.push_back({name, e.failure()});
    }
  }
  return list;
}

std::vector<std::string> jobs_in(Store& store) {
  std::vector<std::string> jobs;
  for (auto& part : store.folders(kJobs)) {
    if (is_label(part) && !store.list(refs_prefix(part), "", 1).empty()) {
      jobs.push_back(std::move(part));
    }
  }
  return jobs;
}

void put_tag(Store& store, const std::string& job, const Tag& tag) {
  const auto bytes =
      checked_bytes(JsonObject{{"format", kRefFormat}, {"name", tag.name}, {"seq", tag.number}});
  std::uint64_t revision = 0;
  for (const auto& name : list_all(store, tag_prefix(job, tag.name))) {
    revision = std::max(revision, number_in_name(name).value_or(0));
  }
  do ++revision;
  while (store.put_new(tag_name(job, tag.name, revision), bytes) == PutResult::exists);
}

TagList tags_of(Store& store, const std::string& job) {
  TagList list;
  for (const auto& part : store.folders(tags_prefix(job))) {
    if (!is_label(part)) continue;
    const auto records = list_all(store, tag_prefix(job, part));
    if (records.empty()) continue;
    try {
      list.tags.push_back({part, read_tag(store, records.back(), part)});
    } catch (const Error& e) {
      if (is_store_failure(e.code())) throw;
      list.damaged.push_back({records.back(), e.failure()});
    }
  }
  return list;
}

}  // namespace cardswap::store
