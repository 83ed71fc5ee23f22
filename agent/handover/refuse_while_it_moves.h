#pragma once

#include <string>

#include "agent/handover/source/migration.h"

namespace cardswap {

/// Throws Error{conflict} if `running`, the migration by which the process of `job` leaves, brings
/// it to another place: an order that is given now would be lost, because the other side has the
/// job's description already. Null: it leaves by none.
void refuse_while_it_moves(const std::string& job, const Migration* running);

}  // namespace cardswap
