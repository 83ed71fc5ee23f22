#include "agent/handover/refuse_while_it_moves.h"

#include <fmt/format.h>

#include "migrator/base/error.h"

namespace cardswap {

void refuse_while_it_moves(const std::string& job, const Migration* running) {
  if (running == nullptr || running->record().is_to_store()) return;
  throw Error(Code::conflict, fmt::format("job {} is in migration {}", job, running->id()),
              "wait for its end, and ask the agent where the job is then");
}

}  // namespace cardswap
