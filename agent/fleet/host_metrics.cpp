#include "agent/fleet/host_metrics.h"

namespace cardswap {

void write_metrics(Exposition& out, const Cordons& cordons, const Config& config) {
  out.family("cardswap_cordoned", Exposition::Type::gauge,
             "1 when the device takes no new jobs, by its own cordon or its host's.");
  for (const auto& device : config.devices) {
    out.sample(cordons.find(device.name) ? 1 : 0, {{"device", device.name}});
  }
}

}  // namespace cardswap
