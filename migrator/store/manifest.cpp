#include "migrator/store/manifest.h"

#include <fmt/format.h>

#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/utf8.h"
#include "migrator/store/json.h"
#include "migrator/store/names.h"
#include "migrator/store/node.h"
#include "migrator/store/pack.h"

namespace cardswap::store {
namespace {

constexpr std::uint64_t kManifestFormat = 1;
constexpr std::size_t kManifestValuesMax = 4U << 20;

Error bad_manifest(std::string_view what) {
  return {Code::corrupt, fmt::format("manifest: {}", what)};
}

/// Texts of a program may have any encoding; no digest depends on them.
Json free_text(const std::string& text) { return as_utf8(text); }

Json texts(const std::vector<std::string>& from) {
  JsonArray array;
  for (const auto& text : from) array.push_back(free_text(text));
  return array;
}

template <class Number>
Json numbers(const std::vector<Number>& from) {
  JsonArray array;
  for (const auto number : from) array.emplace_back(number);
  return array;
}

Json ids(const std::vector<ObjectId>& from) {
  JsonArray array;
  for (const auto& id : from) array.emplace_back(to_string(id));
  return array;
}

Json regions_of(const Manifest& manifest) {
  JsonArray array;
  for (std::size_t i = 0; i < manifest.nodes.size(); ++i) {
    const auto& region = manifest.layout.regions()[i];
    array.emplace_back(JsonObject{{"address", region.address},
                                  {"bytes", region.bytes},
                                  {"dtype", region.dtype},
                                  {"name", region.name},
                                  {"node", to_string(manifest.nodes[i])},
                                  {"shape", region.shape}});
  }
  return array;
}

Json tensors_of(const Manifest& manifest) {
  JsonArray array;
  for (const auto& tensor : manifest.tensors) {
    array.emplace_back(
        JsonObject{{"alias_of", tensor.alias_of},
                   {"dtype", tensor.dtype},
                   {"name", tensor.name},
                   {"offset", tensor.offset},
                   {"region", std::uint64_t{static_cast<std::uint32_t>(tensor.region)}},
                   {"sizes", numbers(tensor.sizes)},
                   {"strides", numbers(tensor.strides)}});
  }
  return array;
}

Json audits_of(const Manifest& manifest) {
  JsonArray array;
  for (const auto& [step, state_digest] : manifest.audits) {
    array.emplace_back(JsonObject{{"root", to_string(state_digest)}, {"step", step}});
  }
  return array;
}

template <class Value>
Json map_of(const std::map<std::string, Value>& from) {
  JsonObject object;
  std::map<std::string, Json> clean;  // two names may become one
  for (const auto& [name, value] : from) {
    if constexpr (std::is_same_v<Value, std::string>) {
      clean.insert_or_assign(as_utf8(name), free_text(value));
    } else {
      clean.insert_or_assign(as_utf8(name), Json(value));
    }
  }
  for (auto& [name, value] : clean) object.push_back({name, std::move(value)});
  return object;
}

ObjectId id_at(const Json& json) {
  try {
    return object_id_from(json.text());
  } catch (const Error& e) {
    throw bad_manifest(e.failure());
  }
}

Digest digest_at(const Json& json) {
  try {
    return digest_from(json.text());
  } catch (const Error& e) {
    throw bad_manifest(e.failure());
  }
}

void read_regions(const Json& from, Manifest& to) {
  std::vector<Region> regions;
  std::uint64_t total = 0;
  for (const auto& item : from.array()) {
    Region region;
    region.name = item.at("name").text();
    region.dtype = item.at("dtype").text();
    region.shape = item.at("shape").text();
    region.bytes = item.at("bytes").number();
    region.address = item.at("address").number();
    if (__builtin_add_overflow(total, region.bytes, &total)) throw bad_manifest("it is too large");
    regions.push_back(std::move(region));
    to.nodes.push_back(id_at(item.at("node")));
  }
  to.layout = Layout(std::move(regions));
}

void read_tensors(const Json& from, Manifest& to) {
  for (const auto& item : from.array()) {
    TensorEntry tensor;
    tensor.name = item.at("name").text();
    tensor.dtype = item.at("dtype").text();
    tensor.alias_of = item.at("alias_of").text();
    tensor.offset = item.at("offset").number();
    const auto region = item.at("region").number();
    if (region >= to.nodes.size() || tensor.offset > to.layout.regions()[region].bytes) {
      throw bad_manifest(fmt::format("tensor {} lies in no region", tensor.name));
    }
    tensor.region = static_cast<RegionId>(region);
    for (const auto& size : item.at("sizes").array()) tensor.sizes.push_back(size.number());
    for (const auto& stride : item.at("strides").array()) {
      tensor.strides.push_back(stride.signed_number());
    }
    if (tensor.sizes.size() != tensor.strides.size()) {
      throw bad_manifest(fmt::format("tensor {} has sizes without strides", tensor.name));
    }
    to.tensors.push_back(std::move(tensor));
  }
}

void read_words(const Json& json, Manifest& to) {
  const auto& replay = json.at("replay_class");
  to.replay_class = {replay.at("optimizer").text(), replay.at("torch").text(),
                     replay.at("cpu").text(), replay.at("device").text()};
  const auto& program = json.at("program");
  for (const auto& word : program.at("argv").array()) to.program.argv.push_back(word.text());
  to.program.build_id = program.at("build_id").text();
  for (const auto& [name, value] : program.at("environment").object()) {
    to.program.environment.emplace(name, value.text());
  }
  for (const auto& [name, value] : json.at("metrics").object()) {
    to.metrics.emplace(name, value.real());
  }
  const auto& origin = json.at("origin");
  to.origin = {origin.at("host").text(), origin.at("device").text(), origin.at("gpu_uuid").text()};
}

Manifest manifest_of(const Json& json) {
  if (json.at("format").number() != kManifestFormat) {
    throw Error(Code::protocol_mismatch, "manifest: a newer release has written it");
  }
  Manifest result;
  result.job = json.at("job").text();
  result.branch = json.at("branch").text();
  if (!is_label(result.job) || !is_label(result.branch))
    throw bad_manifest("its names are not valid");
  result.writer = json.at("writer").text();
  result.step = json.at("step").number();
  result.epoch = json.at("epoch").number();
  for (const auto& parent : json.at("parents").array()) result.parents.push_back(id_at(parent));
  result.created_s = json.at("created_s").signed_number();
  const auto chunk_bytes = json.at("chunk_bytes").number();
  if (chunk_bytes == 0 || chunk_bytes > kStoreChunkBytesMax) {
    throw bad_manifest("its chunks have an impossible size");
  }
  result.chunk_bytes = static_cast<std::uint32_t>(chunk_bytes);
  read_regions(json.at("regions"), result);
  if (result.layout.digest() != digest_at(json.at("layout"))) {
    throw bad_manifest("its regions are not those of its layout's digest");
  }
  read_tensors(json.at("tensors"), result);
  result.values = id_at(json.at("values"));
  result.value_bytes = json.at("value_bytes").number();
  if (!json.at("digests").is_null()) result.digests = id_at(json.at("digests"));
  result.state_digest = digest_at(json.at("root"));
  for (const auto& audit : json.at("audits").array()) {
    result.audits.emplace(audit.at("step").number(), digest_at(audit.at("root")));
  }
  read_words(json, result);
  if (!json.at("run").is_null()) result.run = json.at("run").text();
  return result;
}

}  // namespace

std::vector<std::byte> encode_manifest(const Manifest& manifest) {
  if (manifest.nodes.size() != manifest.layout.regions().size()) {
    throw Error(Code::bad_request, "a manifest needs one node a region");
  }
  const auto& program = manifest.program;
  const auto& replay = manifest.replay_class;
  const auto& origin = manifest.origin;
  JsonObject json{{"audits", audits_of(manifest)},
                  {"branch", manifest.branch},
                  {"chunk_bytes", std::uint64_t{manifest.chunk_bytes}},
                  {"created_s", manifest.created_s},
                  {"epoch", manifest.epoch},
                  {"format", kManifestFormat},
                  {"job", manifest.job},
                  {"layout", to_string(manifest.layout.digest())},
                  {"metrics", map_of(manifest.metrics)},
                  {"origin", JsonObject{{"device", free_text(origin.device)},
                                        {"gpu_uuid", free_text(origin.gpu_uuid)},
                                        {"host", free_text(origin.host)}}},
                  {"parents", ids(manifest.parents)},
                  {"program", JsonObject{{"argv", texts(program.argv)},
                                         {"build_id", free_text(program.build_id)},
                                         {"environment", map_of(program.environment)}}},
                  {"regions", regions_of(manifest)},
                  {"replay_class", JsonObject{{"cpu", free_text(replay.cpu)},
                                              {"device", free_text(replay.device)},
                                              {"optimizer", free_text(replay.optimizer)},
                                              {"torch", free_text(replay.torch)}}},
                  {"root", to_string(manifest.state_digest)},
                  {"step", manifest.step},
                  {"tensors", tensors_of(manifest)},
                  {"value_bytes", manifest.value_bytes},
                  {"values", to_string(manifest.values)},
                  {"writer", free_text(manifest.writer)}};
  if (!manifest.run.empty()) json.push_back({"run", free_text(manifest.run)});
  if (manifest.digests) json.push_back({"digests", to_string(*manifest.digests)});
  const auto bytes = canonical_bytes(json);
  try {
    if (bytes.size() > kManifestBytesMax) throw bad_manifest("it is too long");
    (void)decode_manifest(bytes);
  } catch (const Error& e) {
    throw Error(Code::bad_request, e.failure());
  }
  return bytes;
}

Manifest decode_manifest(std::span<const std::byte> bytes) {
  if (bytes.size() > kManifestBytesMax) throw bad_manifest("it is too long");
  try {
    return manifest_of(read_canonical(bytes, kManifestValuesMax));
  } catch (const Error& e) {
    throw e.failure().starts_with("manifest: ") ? e : bad_manifest(e.failure());
  }
}

}  // namespace cardswap::store
