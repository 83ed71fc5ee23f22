#include "agent/handover/base/in_doubt.h"

#include <fmt/format.h>

#include "agent/base/address.h"

namespace cardswap {

std::string what_to_do_in_doubt(const std::string& migration, const std::string& to) {
  return fmt::format(
      "on {}: `cardswap jobs`; runs there -> `cardswap resolve {} --force target` here; is not "
      "there and stays so -> `--force source`",
      parse_destination(to).host, migration);
}

}  // namespace cardswap
