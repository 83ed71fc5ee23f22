#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace cardswap {

/// Numbers that a program has named, such as its loss, by name: the latest of each. They may be NaN
/// or infinite. They describe the state and are not a part of it.
using Notes = std::map<std::string, double>;

inline constexpr std::size_t kNotesMax = 32;          ///< names that a program may use
inline constexpr std::size_t kNoteNameBytesMax = 64;  ///< of one name

/// Whether a number may be kept under the name: it is not empty, not too long, UTF-8, and not one
/// too many.
[[nodiscard]] bool may_be_noted(const Notes& notes, const std::string& name);

}  // namespace cardswap
