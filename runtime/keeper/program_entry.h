#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migrator/store/manifest.h"

namespace cardswap {

/// Whether a snapshot keeps the environment variable of that name: the ones in a fixed list (where
/// programs, libraries and the user's files are, locale, time zone) and those of libraries that
/// compute. A name with KEY, PASS, SECRET, TOKEN or CREDENTIAL is never kept.
[[nodiscard]] bool is_kept_variable(std::string_view name);

/// The entry of a snapshot from which a restore starts the program again: `argv`, and the kept
/// variables and the folder of this process, which are the job's.
[[nodiscard]] store::ProgramEntry program_entry(std::vector<std::string> argv);

}  // namespace cardswap
