#include "agent/cli/drain/drain_calls.h"

#include <fmt/format.h>

#include <boost/json.hpp>

namespace cardswap::cli {
namespace {

constexpr std::chrono::milliseconds kAskAgain{150};
constexpr std::chrono::seconds kAgentSilenceMax{30};

}  // namespace

boost::json::object call_drained(Client client, const Interrupts& interrupts,
                                 const DrainCall& made) {
  const auto until = std::chrono::steady_clock::now() + kAgentSilenceMax;
  while (true) {
    try {
      return client.call(made.method, made.path, made.body, made.timeout);
    } catch (const Error& error) {
      const bool silent = http::is_silence(error.code());
      if (!silent || std::chrono::steady_clock::now() >= until || interrupts.has_come(kAskAgain)) {
        throw Error(
            silent ? Code::source_lost : error.code(),
            fmt::format("drain {}: {}", client.address(), error.failure()),
            "the host stays cordoned; when its agent answers, run the drain again: it takes "
            "up what is under way");
      }
    }
  }
}

}  // namespace cardswap::cli
