#include "runtime/snapshot/received_memory.h"

#include "migrator/base/error.h"

namespace cardswap {

StateView ReceivedMemory::adopt(const Layout& wanted) {
  const auto kept = kept_regions(view_.layout, wanted);
  StateView next;
  next.layout = wanted;
  const auto& regions = wanted.regions();
  for (std::size_t i = 0; i < regions.size(); ++i) {
    if (regions[i].address != 0) {
      throw Error(Code::bad_request, "a region with an address is of a process that moves whole");
    }
    if (kept[i]) {
      const auto former = static_cast<std::size_t>(*kept[i]);
      next.memory.push_back(view_.memory[former]);
      next.keep_alive.push_back(view_.keep_alive[former]);
    } else {
      auto buffer = cpu_device().allocate(regions[i].bytes);
      next.memory.push_back(buffer.bytes);
      next.keep_alive.push_back(std::move(buffer.owner));
    }
    next.devices.push_back(shared_cpu_device());
  }
  view_ = next;
  return next;
}

}  // namespace cardswap
