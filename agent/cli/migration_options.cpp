#include "agent/cli/migration_options.h"

#include <fmt/format.h>

#include "agent/base/text_parts.h"
#include "agent/base/units.h"
#include "migrator/base/error.h"
#include "migrator/base/named.h"

namespace cardswap::cli {
namespace {

template <class Enum>
Enum value_of(const char* name, const std::string& text) {
  if (const auto value = named<Enum>(text)) return *value;
  throw Error(Code::bad_request, fmt::format("{}: '{}' is no value of it", name, text),
              "use " + names_of<Enum>());
}

double limit_of(const char* name, const std::string& text) {
  return static_cast<double>(parse_limit(name, text).count());
}

/// A number of at least 1; 0 for "none".
std::uint32_t count_of(const char* name, const std::string& text) {
  if (text == "none") return 0;
  if (const auto count = number_in<std::uint32_t>(text).value_or(0); count > 0) return count;
  throw Error(Code::bad_request, fmt::format("{}: '{}' is no number of at least 1", name, text),
              "`none` lifts the limit");
}

}  // namespace

CLI::Option* MigrationOptions::option(CLI::App& command, const std::string& name,
                                      const std::string& otherwise, const std::string& help,
                                      Apply apply) {
  auto& flag = flags_.emplace_back(Flag{otherwise, std::move(apply)});
  return command.add_option(name, flag.text, help)->capture_default_str();
}

void MigrationOptions::add_to(CLI::App& command) {
  option(
      command, "--strategy", "auto", "auto, replay, rounds or stop-copy",
      [](auto& spec, const auto& text) { spec.strategy = value_of<Strategy>("--strategy", text); });
  option(
      command, "--arrive", "auto",
      "standby (the program is started there), criu (its process moves whole), or auto: as the "
      "job was started with, and criu where no standby can take its program over",
      [](auto& spec, const auto& text) { spec.arrive = value_of<ArrivalMode>("--arrive", text); })
      ->check(CLI::IsMember({"auto", "standby", "criu"}));
  option(command, "--max-stall,--max-downtime", "300ms",
         "Longest that one step of the job may be late, or none; --max-downtime is its older name",
         [](auto& spec, const auto& text) { spec.max_stall_ms = limit_of("--max-stall", text); });
  option(command, "--bandwidth", "none", "Cap, such as 200MiB/s or 10Gbit/s, or none",
         [](auto& spec, const auto& text) { spec.bandwidth = parse_rate("--bandwidth", text); });
  option(command, "--timeout", "10m", "Give up after this long, or none",
         [](auto& spec, const auto& text) { spec.timeout_ms = limit_of("--timeout", text); });
  option(command, "--max-rounds", "none",
         "rounds: after so many (the first copies everything) freeze if --max-stall allows it, "
         "or give up; or none",
         [](auto& spec, const auto& text) { spec.max_rounds = count_of("--max-rounds", text); });
  option(command, "--chunk", "1MiB", "Size of a chunk",
         [](auto& spec, const auto& text) { spec.chunk_bytes = parse_size("--chunk", text); });
  option(command, "--log-memory", "auto",
         "Gradients held for replay before the job has to wait; auto: twice a step's",
         [](auto& spec, const auto& text) {
           spec.log_memory = text == "auto" ? 0 : parse_size("--log-memory", text);
         });
  option(command, "--compress", "auto",
         "auto (only where it shortens the migration), off, lz4 or zstd",
         [](auto& spec, const auto& text) {
           spec.compression = value_of<Compression>("--compress", text);
         });
  command.add_flag("--auto-converge", switches_.auto_converge,
                   "Slow the job down stepwise, to 99 %, if rounds do not converge otherwise");
  command.add_flag("--encrypt", switches_.encrypt,
                   "Seal the data on its way with AES-256-GCM, under a key of this migration");
}

void MigrationOptions::add_rehearsal_to(CLI::App& command) {
  option(
      command, "--rehearse", "off",
      "on: before the move the standby takes one step beside the job, and what that left is "
      "compared; auto: unless this job passed it here before; off",
      [](auto& spec, const auto& text) { spec.rehearse = value_of<Rehearsal>("--rehearse", text); })
      ->check(CLI::IsMember({"auto", "on", "off"}));
}

MigrationSpec MigrationOptions::spec() const {
  auto spec = switches_;
  for (const auto& flag : flags_) flag.apply(spec, flag.text);
  return spec;
}

}  // namespace cardswap::cli
