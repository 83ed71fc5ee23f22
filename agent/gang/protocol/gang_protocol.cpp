#include "agent/gang/protocol/gang_protocol.h"

namespace cardswap::gang {

std::string_view to_string(Order::Kind kind) {
  using enum Order::Kind;
  switch (kind) {
    case wait: return "wait";
    case join: return "join";
    case propose: return "propose";
    case freeze: return "freeze";
    case go: return "go";
    case finish: return "finish";
    case retire: return "retire";
    case release: return "release";
  }
  return {};
}

}  // namespace cardswap::gang
