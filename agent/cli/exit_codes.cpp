#include "agent/cli/exit_codes.h"

namespace cardswap {

Exit exit_for(Code code) {
  switch (code) {
    case Code::bad_request: return Exit::usage;
    case Code::not_found:
    case Code::conflict:
    case Code::unauthorized:
    case Code::protocol_mismatch:
    case Code::layout_differs:
    case Code::no_memory:
    case Code::refused:
    case Code::unreachable: return Exit::refused;
    case Code::timed_out:
    case Code::cancelled:
    case Code::not_converging: return Exit::aborted;
    case Code::in_doubt: return Exit::in_doubt;
    case Code::link_lost:
    case Code::target_lost:
    case Code::source_lost:
    case Code::digest_mismatch:
    case Code::io:
    case Code::corrupt:
    case Code::internal: return Exit::failed;
  }
  return Exit::failed;
}

}  // namespace cardswap
