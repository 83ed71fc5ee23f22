#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migrator/store/manifest.h"

namespace cardswap {

/// Whether a snapshot keeps the environment variable of that name: those in the lists of
/// program_entry.cpp (where programs, libraries and the user's files are, the user, locale, time
/// zone, hash seed, and the settings of compute libraries). A name with KEY, PASS, SECRET, TOKEN or
/// CREDENTIAL is never kept.
[[nodiscard]] bool is_kept_variable(std::string_view name);

/// The entry of a snapshot from which a restore starts the program again: `argv`, the kept
/// variables that are UTF-8, and PWD, this process's folder, empty if it is not known.
[[nodiscard]] store::ProgramEntry program_entry(std::vector<std::string> argv);

}  // namespace cardswap
