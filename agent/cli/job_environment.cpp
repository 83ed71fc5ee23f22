#include "agent/cli/job_environment.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "migrator/base/error.h"
#include "migrator/base/utf8.h"

extern char** environ;  // NOLINT: POSIX's name

namespace cardswap::cli {

namespace json = boost::json;

json::object environment(const std::vector<std::string>& extra) {
  json::object env;
  const auto add = [&](std::string_view item) {
    const auto equals = item.find('=');
    if (equals == std::string_view::npos || item.starts_with("CARDSWAP_")) return;
    if (!is_utf8(item)) {
      throw Error(Code::bad_request,
                  fmt::format("the environment's {} is not UTF-8",
                              as_utf8(std::string(item.substr(0, equals)))),
                  "unset it, or set it in the program");
    }
    env[item.substr(0, equals)] = json::string(item.substr(equals + 1));
  };
  for (char** item = environ; *item != nullptr; ++item) add(*item);
  for (const auto& item : extra) {
    if (item.find('=') == std::string::npos) {
      throw Error(Code::bad_request, fmt::format("--env: '{}' is not understood", item),
                  "write it like --env OMP_NUM_THREADS=8");
    }
    add(item);
  }
  return env;
}

}  // namespace cardswap::cli
