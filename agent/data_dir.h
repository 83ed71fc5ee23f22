#pragma once

#include "agent/base/config.h"

namespace cardswap {

/// Makes the data folder if it is missing, and locks it until the process ends. The agent trusts
/// the folder's contents, so the folder must belong to this user, nobody else may write in it or
/// replace it, and no file that the agent writes there may be a link. Takes the group's right to
/// write from it and from its folder of jobs, and as root makes it 0711, so that jobs of other
/// users reach their socket. Throws Error{io, refused, conflict}.
void take_data_dir(const Config& config);

}  // namespace cardswap
