#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

/// Texts that the views of snapshots share. Pure.
namespace cardswap::cli {

/// "2026-11-30 12:00:00Z"; "?" for seconds since 1970 that no calendar has.
[[nodiscard]] std::string time_text(double seconds);
/// The texts of a field that is a list, with blanks between them, made printable.
[[nodiscard]] std::string words_of(const boost::json::object& from, std::string_view key);
/// Both texts with ", " between them if neither is empty.
[[nodiscard]] std::string join_texts(const std::string& first, const std::string& second);

}  // namespace cardswap::cli
