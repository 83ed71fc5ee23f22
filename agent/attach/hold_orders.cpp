#include "agent/attach/hold_orders.h"

namespace cardswap {

void send_hold(RuntimeHub& hub, const Instance& instance) {
  const auto wanted = instance.job().spec.hold_at;
  const bool stands = wanted != 0 && instance.held && instance.held->step >= wanted;
  if (stands || (wanted == 0 && !instance.held)) return;
  (void)hub.send(instance, channel::HoldAt{wanted});
}

}  // namespace cardswap
