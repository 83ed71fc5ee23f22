#include "migrator/tensors/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/utf8.h"
#include "migrator/core/digest.h"
#include "migrator/core/wire_writer.h"
#include "migrator/store/json.h"

namespace cardswap::tensors {
namespace {

using store::Json;
using store::JsonArray;
using store::JsonObject;

constexpr const char* kMetadata = "__metadata__";
constexpr std::size_t kHeaderBytesMax = 100'000'000;  // more is refused by the format's readers
constexpr std::string_view kGradient = "gradient of ";

std::string_view thing_of(std::string_view name) { return name.substr(0, name.find('/')); }
std::string_view within_thing(std::string_view name) {
  const auto slash = name.find('/');
  return slash == std::string_view::npos ? std::string_view() : name.substr(slash + 1);
}

std::size_t digits_at_end(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size() &&
         std::isdigit(static_cast<unsigned char>(text[text.size() - 1 - count])) != 0) {
    ++count;
  }
  return count;
}

/// Takes ".7" off the end; false: there is no such end.
bool take_number(std::string_view& text) {
  const auto digits = digits_at_end(text);
  if (digits == 0 || digits == text.size()) return false;
  text.remove_suffix(digits);
  if (!text.ends_with('.')) return false;
  text.remove_suffix(1);
  return true;
}

/// Whether it is "exp_avg.0.3", or "exp_avg.0.3 [64]" where its shape is not the parameter's.
bool is_optimizers_name(std::string_view name) {
  name = name.substr(0, name.find(" ["));
  return take_number(name) && take_number(name) && !name.empty() &&
         name.find('.') == std::string_view::npos;
}

/// The names that an optimizer's marker of an added group may have besides.
bool is_optimizers_region(const Region& region) {
  return is_optimizers_name(within_thing(region.name)) || region.dtype == "parameter";
}

bool is_gradient(std::string_view name) { return within_thing(name).starts_with(kGradient); }

Error unfit(std::string_view why) {
  return {Code::refused, fmt::format("the snapshot does not fit into a safetensors file: {}", why)};
}

std::uint64_t size_in_bytes(const store::TensorEntry& tensor) {
  return element_count(tensor) * bytes_of(element_type(tensor.dtype));
}

std::string text_of(const Json& json) {
  const auto bytes = store::canonical_bytes(json);
  std::string text;
  text.reserve(bytes.size());
  for (const auto byte : bytes) text.push_back(static_cast<char>(byte));
  return text;
}

/// What the format has no field for, as its readers take it: texts by name.
JsonObject metadata_of(const SafetensorsPlan& plan, const store::Manifest& manifest,
                       const store::ObjectId& id) {
  JsonObject ties;
  JsonObject raw;
  JsonArray flat;
  for (const auto& one : plan.tensors) {
    const auto& tensor = one.entry;
    if (!tensor.alias_of.empty()) ties.push_back({as_utf8(tensor.name), as_utf8(tensor.alias_of)});
    if (element_type(tensor.dtype) == ElementType::raw) {
      raw.push_back({as_utf8(tensor.name), as_utf8(tensor.dtype)});
    }
    if (one.is_flat) flat.emplace_back(as_utf8(tensor.name));
  }
  JsonObject all{{"format", "pt"},  // loaders ask for it
                 {"cardswap.branch", manifest.branch},
                 {"cardswap.job", manifest.job},
                 {"cardswap.manifest", to_string(id)},
                 {"cardswap.root", to_string(manifest.root)},
                 {"cardswap.step", std::to_string(manifest.step)}};
  if (!ties.empty()) all.push_back({"cardswap.alias_of", text_of(std::move(ties))});
  if (!raw.empty()) all.push_back({"cardswap.raw", text_of(std::move(raw))});
  if (!flat.empty()) all.push_back({"cardswap.flat", text_of(std::move(flat))});
  return all;
}

std::string header_of(const SafetensorsPlan& plan, JsonObject metadata) {
  JsonObject all{{kMetadata, std::move(metadata)}};
  std::uint64_t at = 0;
  for (const auto& one : plan.tensors) {
    const auto& tensor = one.entry;
    JsonArray shape;
    for (const auto size : tensor.sizes) shape.emplace_back(size);
    const auto end = at + size_in_bytes(tensor);
    all.push_back({as_utf8(tensor.name),
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

}  // namespace

std::vector<std::string> optimizers_in(const Layout& layout) {
  std::map<std::string_view, bool> things;
  for (const auto& region : layout.regions()) {
    if (is_gradient(region.name)) continue;
    const auto [thing, is_new] = things.emplace(thing_of(region.name), true);
    thing->second = thing->second && is_optimizers_region(region);
  }
  std::vector<std::string> found;
  for (const auto& [name, is_one] : things) {
    if (is_one) found.emplace_back(name);
  }
  return found;
}

SafetensorsPlan plan_safetensors(const store::Manifest& manifest, const store::ObjectId& id,
                                 const ExportScope& scope) {
  const auto optimizers = optimizers_in(manifest.layout);
  const auto is_wanted = [&](const std::string& name) {
    return scope.all || (!is_gradient(name) &&
                         std::ranges::find(optimizers, thing_of(name)) == optimizers.end());
  };
  SafetensorsPlan plan;
  std::set<std::string> names{kMetadata};
  for (auto& one : listed_tensors(manifest)) {
    if (!is_wanted(one.entry.name)) {
      plan.left_out.push_back(one.entry.name);
      continue;
    }
    if (!names.insert(as_utf8(one.entry.name)).second) {
      throw unfit(fmt::format("two tensors would be called {}", one.entry.name));
    }
    plan.tensors.push_back(std::move(one));
  }
  std::ranges::stable_sort(plan.tensors, [](const ListedTensor& a, const ListedTensor& b) {
    return bytes_of(element_type(a.entry.dtype)) > bytes_of(element_type(b.entry.dtype));
  });
  plan.header = header_of(plan, metadata_of(plan, manifest, id));
  plan.bytes = plan.header.size();
  for (const auto& one : plan.tensors) plan.bytes += size_in_bytes(one.entry);
  return plan;
}

}  // namespace cardswap::tensors
