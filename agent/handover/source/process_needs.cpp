#include "agent/handover/source/process_needs.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/criu/image_room.h"
#include "agent/jobs/instance_processes.h"
#include "agent/process/process_tree.h"

namespace cardswap {

asio::awaitable<criu::TreeReport> examine_process(const HandoverContext& context,
                                                  std::string instance) {
  // Looked up after each wait, in which it may end.
  const auto now = [&context, &instance]() -> const Instance& { return context.jobs.at(instance); };
  const auto program = now().program();
  co_await context.criu.probe();
  const auto gpus = co_await context.criu.cuda().examine(program);
  auto examined =
      co_await criu::examine(now().program(), now().record().log_path,
                             context.hub.socket_inode(now()), context.criu.tool(), gpus);
  const auto& source = now();
  const auto members = members_of(family_of(source));
  for (auto& reason : left_behind(members, source.program())) {
    examined.reasons.push_back(std::move(reason));
  }
  // What goes ahead may be among its own memory still, or shared memory already.
  const auto own = criu::memory_of(source.program()).own;
  examined.needs.image_bytes = own - std::min(own, source.record().relocatable_bytes);
  auto no_room =
      criu::why_no_room(examined.needs.image_bytes, criu::image_room(criu::ImageUse::dumped),
                        "on " + context.config.host_name);
  if (!no_room.empty()) examined.reasons.push_back(std::move(no_room));
  if (!gpus.saved.empty()) {
    const auto device = context.devices.at(source.device());
    if (device.kind == "cuda" && !device.uuid.empty()) {
      examined.needs.gpus.push_back({device.uuid, device.model});
    } else {
      examined.reasons.push_back(fmt::format(
          "job {} has CUDA state, and its device {} is no GPU that NVML knows: start it on that",
          source.name(), device.name));
    }
  }
  if (source.record().relocatable_bytes == 0) {
    examined.reasons.push_back(fmt::format(
        "nothing that job {} tracks can go ahead of its process: it tracks no tensors and no "
        "memory that Cardswap allocated",
        source.name()));
  }
  co_return examined;
}

}  // namespace cardswap
