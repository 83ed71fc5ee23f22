#include "agent/cli/snapshots/tensor_list.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>
#include <vector>

#include "agent/base/json_fields.h"
#include "agent/base/printable_fields.h"
#include "agent/cli/text/fields.h"
#include "agent/cli/text/text.h"
#include "migrator/base/utf8.h"
#include "migrator/tensors/safetensors.h"
#include "migrator/tensors/tensor_table.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

template <class Number>
json::array array_of(const std::vector<Number>& numbers) {
  json::array all;
  for (const auto number : numbers) all.emplace_back(number);
  return all;
}

}  // namespace

json::array tensor_list(const store::Manifest& manifest) {
  json::array all;
  for (const auto& one : tensors::listed_tensors(manifest)) {
    const auto& tensor = one.entry;
    json::object shown{
        {"name", as_utf8(tensor.name)},
        {"dtype", as_utf8(tensor.dtype)},
        {"sizes", array_of(tensor.sizes)},
        {"bytes", tensors::size_in_bytes(tensor)},
        {"region",
         as_utf8(manifest.layout.regions()[static_cast<std::size_t>(tensor.region)].name)},
        {"offset", tensor.offset},
        {"alias_of", as_utf8(tensor.alias_of)}};
    if (!tensors::is_contiguous(tensor)) shown["strides"] = array_of(tensor.strides);
    all.push_back(std::move(shown));
  }
  return all;
}

std::string tensor_table_text(const json::object& snapshot) {
  std::vector<std::vector<std::string>> rows{
      {"TENSOR", "DTYPE", "SHAPE", "BYTES", "REGION", "OFFSET", "ALIAS OF"}};
  for (const auto& item : array_at(snapshot, "tensor_list")) {
    const auto& one = item.as_object();
    auto shape = json::serialize(one.at("sizes"));
    if (one.contains("strides")) shape += " by " + json::serialize(one.at("strides"));
    rows.push_back({text(one, "name"), text(one, "dtype"), std::move(shape), size(one, "bytes"),
                    one.at("region") == one.at("name") ? "itself" : text(one, "region"),
                    text(one, "offset"),
                    one.at("alias_of").as_string().empty() ? "-" : text(one, "alias_of")});
  }
  return table(rows);
}

}  // namespace cardswap::cli
