#pragma once

#include <string>

namespace cardswap {

/// What `cardswap-holder --try-data HOST` is: a link to itself over `host`, an address of this
/// machine, on the way that jobs' data would take. Prints one line: "data ok", or "data " and what
/// does not work. Returns its exit code.
int try_data(const std::string& host, const std::string& transports);

}  // namespace cardswap
