#pragma once

#include <string>

namespace cardswap {

/// `cardswap-holder --try-data HOST`: makes a link to itself over `host`, an address of this
/// machine, with the UCX transports that jobs' data would use (empty: tcp). Waits 5 s at most for a
/// message. Prints an empty line, and then one line: "data ok", or "data " and what does not work.
/// Returns 0, its exit status. Throws nothing.
int try_data(const std::string& host, const std::string& transports);

}  // namespace cardswap
