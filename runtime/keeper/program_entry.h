#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migrator/store/manifest.h"

namespace cardswap {

/// Whether a snapshot keeps the environment variable of that name: one that changes how a training
/// computes, or says where its programs and libraries are. Names of secrets are not kept.
[[nodiscard]] bool is_kept_variable(std::string_view name);

/// The entry of a snapshot from which a restore starts the program again: `argv`, and the kept
/// variables and the folder of this process, which are the job's.
[[nodiscard]] store::ProgramEntry program_entry(std::vector<std::string> argv);

}  // namespace cardswap
