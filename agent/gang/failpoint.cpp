#include "agent/gang/failpoint.h"

#include <fmt/format.h>

#include <utility>

#include "migrator/base/error.h"

namespace cardswap::gang {

Failpoint::Failpoint(std::string name)
    : name_(std::move(name)), rules_(kGangRules.begin(), kGangRules.end()) {
  if (name_.empty() || named<GangState>(name_)) return;
  const auto event = named<GangEvent>(name_);
  if (!event) throw Error(Code::bad_request, fmt::format("'{}' is no state of a gang", name_));
  std::erase_if(rules_, [&](const GangRule& rule) { return rule.on == *event; });
}

bool Failpoint::holds(GangState state) const { return !name_.empty() && name_ == to_string(state); }

void Failpoint::proceed() { *this = Failpoint(std::string()); }

}  // namespace cardswap::gang
