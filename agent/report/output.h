#pragma once

#include <string>
#include <string_view>

namespace cardswap::report {

/// Writes `content` to `file`; "-" is stdout.
///
/// A regular file is replaced as a whole, so that a reader sees either the old or the new content;
/// it keeps its mode if it is this user's. Links are followed if they are this user's or root's. An
/// existing pipe or device of this user or root is written to; a pipe that nobody reads is an
/// error, one that is full makes it wait. Throws Error{io}.
void write_output(const std::string& file, std::string_view content);

}  // namespace cardswap::report
