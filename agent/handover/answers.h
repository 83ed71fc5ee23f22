#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "agent/handover/protocol.h"

/// What another agent's answers hold; absent or of another type is empty or 0.
namespace cardswap {

[[nodiscard]] std::string text_at(const boost::json::object& from, std::string_view key);
[[nodiscard]] double number_at(const boost::json::object& from, std::string_view key);
[[nodiscard]] std::vector<std::string> reasons_of(const boost::json::object& answer);
[[nodiscard]] std::string reservation_path(const std::string& migration);

/// Nothing where there is no digest yet. Throws Error{bad_request}.
[[nodiscard]] handover::Content content_from(const std::string& root, std::uint64_t step);
/// A reservation as the message that it is. Throws Error{bad_request, corrupt}.
[[nodiscard]] handover::Message status_from(const boost::json::object& reservation);

}  // namespace cardswap
