#pragma once

#include <boost/json.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// Arguments and environments as JSON, for requests and for the journal.
namespace cardswap {

/// The list of strings in a field. Throws Error{bad_request} where the field is missing, is no list
/// of strings, or a string has a NUL.
[[nodiscard]] std::vector<std::string> texts_at(const boost::json::object& from,
                                                std::string_view key);
/// The object of strings in a field; empty where the field is missing or null. Throws
/// Error{bad_request} where it is no object of strings.
[[nodiscard]] std::map<std::string, std::string> text_map_at(const boost::json::object& from,
                                                             std::string_view key);
[[nodiscard]] boost::json::array json_of(const std::vector<std::string>& texts);
[[nodiscard]] boost::json::object json_of(const std::map<std::string, std::string>& map);

}  // namespace cardswap
