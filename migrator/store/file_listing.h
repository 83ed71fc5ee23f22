#pragma once

#include <fcntl.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"

/// What the folders of a file store have. `name` is the object name of the folder that `at` is,
/// with a '/' behind, or empty for the store's own. Calls throw file_error().
namespace cardswap::store {

inline constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/// The Error{no_memory} of a full disk, or else Error{io}: "list jobs/gpt/: Permission denied".
[[nodiscard]] Error file_error(std::string_view doing, const std::string& name, int number);

/// The names of the objects below, as Store::list() returns them.
[[nodiscard]] std::vector<std::string> objects_below(Descriptor at, const std::string& name,
                                                     const std::string& after, std::size_t most);
/// The folders directly below, as Store::folders() returns them.
[[nodiscard]] std::vector<std::string> folders_below(Descriptor at, const std::string& name);

}  // namespace cardswap::store
