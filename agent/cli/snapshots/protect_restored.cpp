#include "agent/cli/snapshots/protect_restored.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <iostream>

#include "agent/base/json_fields.h"
#include "agent/base/units.h"
#include "agent/cli/snapshots/cadence.h"
#include "agent/cli/text/protection_text.h"
#include "migrator/base/error.h"

namespace cardswap::cli {
namespace {

constexpr const char* kEveryExample = "100";

}  // namespace

void check_protect_every(const std::string& every) {
  if (!every.empty() && cadence_from(every).is_off()) {
    throw Error(Code::bad_request, "--protect-every: off protects nothing",
                "leave it out, or write it like 100 (steps), 10m or auto");
  }
}

Exit protect_restored(const Context& context, Client& client, const RestoredJob& job,
                      Exit restored) {
  if (restored != Exit::done) return restored;
  const auto path = "/v1/jobs/" + http::percent_encoded(job.name);
  const bool tells = !context.quiet && !context.wants_json();
  if (job.protect_every.empty()) {
    if (!tells) return restored;
    const auto shown = client.call("GET", path);
    if (!object_at(shown, "protection").empty()) return restored;
    std::cerr << fmt::format(
        "not protected: `cardswap protect {} --every {} --to {}` takes snapshots of it\n", job.name,
        kEveryExample, job.store);
    return restored;
  }
  const auto answer = client.call("POST", path + "/protection",
                                  protection_body(job.store, cadence_from(job.protect_every)));
  if (tells) std::cout << fmt::format("job {} is {}", job.name, protection_text(answer, unix_ms()));
  return restored;
}

}  // namespace cardswap::cli
