#include "agent/handover/target/keeper_command.h"

#include "agent/process/program_beside.h"
#include "migrator/store/refs.h"

namespace cardswap {

std::vector<std::string> keeper_command(const Reservation& reservation,
                                        const HandoverContext& context) {
  const auto& spec = *reservation.spec;
  std::vector<std::string> command{program_beside("cardswap-keeper").string(),
                                   "--store",
                                   reservation.record().store,
                                   "--epoch",
                                   std::to_string(reservation.epoch() - 1),
                                   "--host",
                                   context.config.host_name,
                                   "--device",
                                   reservation.device};
  if (!reservation.tag.empty()) command.insert(command.end(), {"--tag", reservation.tag});
  if (!spec.uid.empty()) command.insert(command.end(), {"--run", store::run_of(spec.uid)});
  if (!spec.branch.empty()) command.insert(command.end(), {"--branch", spec.branch});
  if (!spec.restored_from.empty()) {
    command.insert(command.end(), {"--restored-from", spec.restored_from});
  }
  command.emplace_back("--");
  command.insert(command.end(), spec.argv.begin(), spec.argv.end());
  return command;
}

}  // namespace cardswap
