#pragma once

#include <boost/json/object.hpp>
#include <CLI/CLI.hpp>
#include <string>

namespace cardswap::cli {

/// How jobs are to be moved, whichever command moves them.
struct MigrationOptions {
  std::string strategy = "auto";
  std::string arrive = "auto";
  std::string max_downtime = "300ms";
  std::string bandwidth = "none";
  std::string timeout = "10m";
  std::string chunk = "1MiB";
  std::string log_memory = "auto";
  std::string compress = "auto";
  bool auto_converge = false;
  bool encrypt = false;

  void add_to(CLI::App& command);
  /// The fields of POST /v1/migrations that say how. Throws Error{bad_request}.
  [[nodiscard]] boost::json::object fields() const;
};

}  // namespace cardswap::cli
