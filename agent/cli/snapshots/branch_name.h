#pragma once

#include "migrator/store/branch_name.h"

/// The names of branches, as commands choose them.
namespace cardswap::cli {

using store::branch_after;
using store::check_new_branch;
using store::fresh_branch;

}  // namespace cardswap::cli
