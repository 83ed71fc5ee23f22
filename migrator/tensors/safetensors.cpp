#include "migrator/tensors/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/utf8.h"
#include "migrator/core/digest.h"
#include "migrator/tensors/element_type.h"

namespace cardswap::tensors {
namespace {

using store::Json;
using store::JsonArray;
using store::JsonObject;

constexpr std::size_t kHeaderBytesMax = 100'000'000;  // more is refused by the format's readers

Error unfit(std::string_view why) {
  return {Code::refused, fmt::format("the snapshot does not fit into a safetensors file: {}", why)};
}

/// What the format has no field for, as its readers take it: texts by name.
JsonObject metadata_of(const std::vector<ListedTensor>& tensors, const ExportChoice& choice,
                       const store::Manifest& manifest, const store::ObjectId& id) {
  std::set<std::string_view> names;
  for (const auto& one : tensors) names.insert(one.entry.name);
  JsonObject ties;
  for (const auto& [name, first] : choice.ties) {
    if (names.contains(first)) ties.push_back({name, first});  // else it is in another shard
  }
  JsonObject raw;
  JsonArray flat;
  for (const auto& one : tensors) {
    const auto& tensor = one.entry;
    if (element_type(tensor.dtype) == ElementType::raw) {
      raw.push_back({tensor.name, as_utf8(tensor.dtype)});
    }
    if (one.is_flat) flat.emplace_back(tensor.name);
  }
  JsonObject all{{"format", "pt"},  // loaders ask for it
                 {"cardswap.branch", manifest.branch},
                 {"cardswap.job", manifest.job},
                 {"cardswap.manifest", to_string(id)},
                 {"cardswap.root", to_string(manifest.state_digest)},
                 {"cardswap.step", std::to_string(manifest.step)}};
  if (!ties.empty()) all.push_back({"cardswap.alias_of", text_of(std::move(ties))});
  if (!raw.empty()) all.push_back({"cardswap.raw", text_of(std::move(raw))});
  if (!flat.empty()) all.push_back({"cardswap.flat", text_of(std::move(flat))});
  return all;
}

std::string header_of(const std::vector<ListedTensor>& tensors, JsonObject metadata) {
  JsonObject all{{kMetadata, std::move(metadata)}};
  std::uint64_t at = 0;
  for (const auto& one : tensors) {
    const auto& tensor = one.entry;
    JsonArray shape;
    for (const auto size : tensor.sizes) shape.emplace_back(size);
    const auto end = at + size_in_bytes(tensor);
    all.push_back({tensor.name,
                   JsonObject{{"data_offsets", JsonArray{Json(at), Json(end)}},
                              {"dtype", std::string(safetensors_code(element_type(tensor.dtype)))},
                              {"shape", std::move(shape)}}});
    at = end;
  }
  auto json = text_of(std::move(all));
  while (json.size() % 8 != 0) json += ' ';
  if (json.size() > kHeaderBytesMax) throw unfit("it has too many tensors");
  std::string header;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    header += static_cast<char>(json.size() >> shift & 0xffU);
  }
  return header + json;
}

SafetensorsPlan plan_of(std::vector<ListedTensor> tensors, const ExportChoice& choice,
                        const store::Manifest& manifest, const store::ObjectId& id) {
  SafetensorsPlan plan;
  plan.header = header_of(tensors, metadata_of(tensors, choice, manifest, id));
  plan.bytes = plan.header.size();
  for (const auto& one : tensors) plan.bytes += size_in_bytes(one.entry);
  plan.tensors = std::move(tensors);
  return plan;
}

std::vector<ListedTensor> aligned(std::vector<ListedTensor> tensors) {
  std::ranges::stable_sort(tensors, [](const ListedTensor& a, const ListedTensor& b) {
    return bytes_of(element_type(a.entry.dtype)) > bytes_of(element_type(b.entry.dtype));
  });
  return tensors;
}

}  // namespace

std::string text_of(const Json& json) {
  const auto bytes = store::canonical_bytes(json);
  std::string text;
  text.reserve(bytes.size());
  for (const auto byte : bytes) text.push_back(static_cast<char>(byte));
  return text;
}

SafetensorsPlan plan_safetensors(const store::Manifest& manifest, const store::ObjectId& id,
                                 const ExportChoice& choice) {
  return plan_of(aligned(choice.tensors), choice, manifest, id);
}

std::vector<SafetensorsPlan> plan_shards(const store::Manifest& manifest, const store::ObjectId& id,
                                         const ExportChoice& choice, std::uint64_t shard_bytes) {
  std::vector<SafetensorsPlan> plans;
  std::vector<ListedTensor> shard;
  std::uint64_t bytes = 0;
  const auto close = [&] {
    plans.push_back(plan_of(aligned(std::exchange(shard, {})), choice, manifest, id));
    bytes = 0;
  };
  for (const auto& one : choice.tensors) {  // in the model's order, so that layers stay together
    const auto more = size_in_bytes(one.entry);
    if (!shard.empty() && (more > shard_bytes || bytes > shard_bytes - more)) close();
    shard.push_back(one);
    bytes += more;
  }
  if (!shard.empty() || plans.empty()) close();
  return plans;
}

}  // namespace cardswap::tensors
