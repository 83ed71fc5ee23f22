#include "agent/jobs/text_json.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "migrator/base/error.h"

namespace cardswap {
namespace json = boost::json;

std::vector<std::string> texts_at(const json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  if (value == nullptr || !value->is_array()) {
    throw Error(Code::bad_request, fmt::format("the field '{}' must be a list of strings", key));
  }
  std::vector<std::string> result;
  for (const auto& item : value->get_array()) {
    if (!item.is_string() || item.get_string().find('\0') != json::string::npos) {
      throw Error(Code::bad_request, fmt::format("the field '{}' must be a list of strings", key));
    }
    result.emplace_back(item.get_string());
  }
  return result;
}

std::map<std::string, std::string> text_map_at(const json::object& from, std::string_view key) {
  std::map<std::string, std::string> result;
  const auto* value = from.if_contains(key);
  if (value == nullptr || value->is_null()) return result;
  if (!value->is_object()) {
    throw Error(Code::bad_request, fmt::format("the field '{}' must be an object", key));
  }
  for (const auto& item : value->get_object()) {
    if (!item.value().is_string()) {
      throw Error(Code::bad_request,
                  fmt::format("'{}.{}' must be a string", key, std::string(item.key())));
    }
    result.emplace(item.key(), item.value().get_string());
  }
  return result;
}

json::array json_of(const std::vector<std::string>& texts) {
  json::array result;
  for (const auto& text : texts) result.emplace_back(text);
  return result;
}
json::object json_of(const std::map<std::string, std::string>& map) {
  json::object result;
  for (const auto& [key, value] : map) result[key] = value;
  return result;
}

}  // namespace cardswap
