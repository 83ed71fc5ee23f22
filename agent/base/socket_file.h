#pragma once

#include <filesystem>
#include <string>

namespace cardswap {

/// Removes the unix socket that an agent which has ended left at `path`, so that it can be made
/// anew. Does nothing if nothing is there. Throws Error{refused} with `hint` for anything that is
/// no socket, a link included, because an agent often runs as root; and Error{io}.
void remove_old_socket(const std::filesystem::path& path, const std::string& hint);

}  // namespace cardswap
