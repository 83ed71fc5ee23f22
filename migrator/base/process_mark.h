#pragma once

#include <string>
#include <string_view>

namespace cardswap {

/// A text of 16 digits, a pid and a start time, "3f2a9c01d2e4b5a6-4711-889123", that no other
/// process of any host has: the digits are of the boot of this host's kernel and of the namespaces
/// in which pid and time are counted. Empty: /proc does not tell them.
[[nodiscard]] std::string mark_of_this_process();

/// Whether the process of that mark has ended for certain. False where this process cannot know
/// it: the process is of another host, boot or namespace, /proc hides it, or the text is no mark.
[[nodiscard]] bool has_ended_for_certain(std::string_view mark);

}  // namespace cardswap
