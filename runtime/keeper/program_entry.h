#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migrator/store/manifest.h"

namespace cardswap {

/// Whether a snapshot keeps a variable of its program's environment: what changes how a training
/// computes, and where its programs and libraries are. Secrets have other names.
[[nodiscard]] bool is_kept_variable(std::string_view name);

/// What a restore starts again: `argv`, and of this process's environment and folder, which are the
/// job's, what is kept.
[[nodiscard]] store::ProgramEntry program_entry(std::vector<std::string> argv);

}  // namespace cardswap
