#include "agent/cli/snapshots/begin_restore.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <utility>

#include "agent/base/json_fields.h"
#include "agent/cli/job_environment.h"
#include "migrator/base/error.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::minutes kRestoreReadMax{31};  // the agent gives up earlier

}  // namespace

json::object restore_body(const json::object& about, const std::string& device) {
  const auto& saved = about.at("env").as_object();
  auto env = environment({});
  for (const auto& [key, value] : saved) env[key] = value;
  return {{"argv", about.at("argv")},
          {"cwd", text_at(saved, "PWD")},
          {"env", std::move(env)},
          {"device", device.empty() ? text_at(about, "device") : device},
          {"manifest", about.at("manifest")},
          {"epoch", about.at("epoch")}};
}

json::object begin_restore(const Context& context, Client& client, json::object body) {
  auto begun = client.call_unless_interrupted(context.interrupts, "POST", "/v1/restores",
                                              std::move(body), kRestoreReadMax);
  if (begun) return std::move(*begun);
  throw Error(Code::cancelled,
              fmt::format("interrupted before the agent at {} had answered", client.address()),
              "`cardswap jobs` tells whether the job is there");
}

}  // namespace cardswap::cli
