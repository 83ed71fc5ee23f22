#pragma once

#include <boost/json.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// Arguments and environments as JSON: in requests and in the journal.
namespace cardswap {

/// The strings of a list. Throws Error{bad_request} for what is no list of strings, or is not
/// there.
[[nodiscard]] std::vector<std::string> texts_at(const boost::json::object& from,
                                                std::string_view key);
/// The strings of an object, by name; empty where there is none. Throws Error{bad_request} for what
/// is no object of strings.
[[nodiscard]] std::map<std::string, std::string> text_map_at(const boost::json::object& from,
                                                             std::string_view key);
[[nodiscard]] boost::json::array json_of(const std::vector<std::string>& texts);
[[nodiscard]] boost::json::object json_of(const std::map<std::string, std::string>& map);

}  // namespace cardswap
