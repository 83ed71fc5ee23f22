#include "migrator/store/trash.h"

#include <fmt/format.h>

#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/checked_json.h"
#include "migrator/store/names.h"

namespace cardswap::store {
namespace {

constexpr std::uint64_t kTrashFormat = 1;
constexpr std::size_t kTrashValuesMax = 2U << 20;

JsonArray names_as_json(const std::vector<std::string>& names) {
  JsonArray array;
  for (const auto& name : names) array.emplace_back(name);
  return array;
}

std::vector<std::string> object_names(const Json& json) {
  std::vector<std::string> names;
  for (const auto& name : json.array()) {
    if (!is_object_name(name.text())) throw Error(Code::corrupt, "trash: a name is not valid");
    names.push_back(name.text());
  }
  return names;
}

/// Of two prunes one may remove the list between two reads of it, and the other put another list in
/// its place: damage is what is there at a second look, too.
std::vector<std::string> get_waits(Store& store, const std::string& name) {
  try {
    return decode_waits(get(store, name, kTrashBytesMax));
  } catch (const Error& e) {
    if (e.code() != Code::corrupt) throw;
  }
  return decode_waits(get(store, name, kTrashBytesMax));
}

}  // namespace

std::string trash_name(std::uint64_t number, bool waits) {
  return fmt::format("{}{:020}/{}", kTrash, number, waits ? "waits" : "objects");
}

std::vector<std::byte> encode_trash(const TrashBatch& batch) {
  return checked_bytes(JsonObject{{"at_s", batch.at_s},
                                  {"format", kTrashFormat},
                                  {"number", batch.number},
                                  {"objects", names_as_json(batch.objects)}});
}

std::vector<std::byte> encode_waits(const std::vector<std::string>& waits) {
  return checked_bytes(JsonObject{{"waits", names_as_json(waits)}});
}

TrashBatch decode_trash(std::span<const std::byte> bytes) {
  const auto json = read_canonical(bytes, kTrashValuesMax);
  if (json.at("format").number() != kTrashFormat) {
    throw Error(Code::protocol_mismatch, "trash: a newer release has written it");
  }
  expect_checked(json);
  TrashBatch batch;
  batch.number = json.at("number").number();
  batch.at_s = json.at("at_s").signed_number();
  batch.objects = object_names(json.at("objects"));
  return batch;
}

std::vector<std::string> decode_waits(std::span<const std::byte> bytes) {
  const auto json = read_canonical(bytes, kTrashValuesMax);
  expect_checked(json);
  return object_names(json.at("waits"));
}

std::vector<TrashBatch> trash_in(Store& store) {
  std::vector<TrashBatch> batches;
  for (const auto& name : list_all(store, kTrash)) {
    if (!name.ends_with("/objects")) continue;
    try {
      auto batch = decode_trash(get(store, name, kTrashBytesMax));
      if (trash_name(batch.number, false) != name) throw Error(Code::corrupt, "it is another's");
      const auto waits = trash_name(batch.number, true);
      if (store.size_of(waits)) batch.waits = get_waits(store, waits);
      batches.push_back(std::move(batch));
    } catch (const Error& e) {
      // Not found: a prune was done with it just now.
      if (e.code() != Code::not_found) throw e.within(name);
    }
  }
  return batches;
}

std::set<std::string> trashed_in(Store& store) {
  std::set<std::string> names;
  for (const auto& batch : trash_in(store)) {
    names.insert(batch.objects.begin(), batch.objects.end());
  }
  return names;
}

}  // namespace cardswap::store
