#include "agent/cli/migration_options.h"

#include <boost/json/value.hpp>

#include "agent/base/units.h"

namespace cardswap::cli {

void MigrationOptions::add_to(CLI::App& command) {
  command.add_option("--strategy", strategy, "auto, replay, rounds or stop-copy")
      ->capture_default_str();
  command
      .add_option(
          "--arrive", arrive,
          "standby (the program is started there), criu (its process moves whole), or auto: "
          "as the job was started with")
      ->check(CLI::IsMember({"auto", "standby", "criu"}))
      ->capture_default_str();
  command.add_option("--max-downtime", max_downtime, "Longest pause, or none")
      ->capture_default_str();
  command.add_option("--bandwidth", bandwidth, "Cap, such as 200MiB/s or 10Gbit/s, or none")
      ->capture_default_str();
  command.add_option("--timeout", timeout, "Give up after this long, or none")
      ->capture_default_str();
  command.add_option("--chunk", chunk, "Size of a chunk")->capture_default_str();
  command
      .add_option("--log-memory", log_memory,
                  "Gradients held for replay before the job has to wait; auto: twice a step's")
      ->capture_default_str();
  command
      .add_option("--compress", compress,
                  "auto (only where it shortens the migration), off, lz4 or zstd")
      ->capture_default_str();
  command.add_flag("--auto-converge", auto_converge,
                   "Slow the job down stepwise, to 99 %, if rounds do not converge otherwise");
  command.add_flag("--encrypt", encrypt,
                   "Seal the data on its way with AES-256-GCM, under a key of this migration");
}

namespace {

/// Null in the API is what lifts a limit.
boost::json::value limit(std::uint64_t value) {
  return value == 0 ? boost::json::value(nullptr) : boost::json::value(value);
}
boost::json::value limit(std::string_view what, const std::string& text) {
  return limit(static_cast<std::uint64_t>(parse_limit(what, text).count()));
}

}  // namespace

boost::json::object MigrationOptions::fields() const {
  return {{"strategy", strategy},
          {"arrive", arrive},
          {"max_downtime_ms", limit("--max-downtime", max_downtime)},
          {"bandwidth", limit(parse_rate("--bandwidth", bandwidth))},
          {"timeout_ms", limit("--timeout", timeout)},
          {"chunk_bytes", parse_size("--chunk", chunk)},
          {"log_memory", log_memory == "auto" ? 0 : parse_size("--log-memory", log_memory)},
          {"auto_converge", auto_converge},
          {"encrypt", encrypt},
          {"compression", compress}};
}

}  // namespace cardswap::cli
