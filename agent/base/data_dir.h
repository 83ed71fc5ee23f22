#pragma once

#include "agent/base/config.h"

namespace cardswap {

/// Makes the data folder where it is not there, and takes it for this process: what lies in it is
/// believed, so it must be this user's, with nobody else who may write in it or put another in its
/// place; and what this agent writes there must not be a link to elsewhere. Holds its lock for as
/// long as the process lives. Throws Error{io, refused, conflict}.
void take_data_dir(const Config& config);

}  // namespace cardswap
