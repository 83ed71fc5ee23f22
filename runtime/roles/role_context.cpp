#include "runtime/roles/role_context.h"

namespace cardswap {

void RoleContext::fail(const std::string& migration, const Error& error) const {
  send(channel::Failed{migration, error.code(), error.failure(), error.hint()});
}

void RoleContext::on_trainer(std::function<void()> task) const {
  if (gate.run_parked(std::move(task))) return;
  throw Error(Code::internal, "the training thread does not stand at a step boundary any more",
              "look at the job's log; the job goes on where it trains");
}

}  // namespace cardswap
