#pragma once

#include <CLI/CLI.hpp>
#include <deque>
#include <functional>
#include <string>

#include "migrator/plan/migration_spec.h"

namespace cardswap::cli {

/// The flags that say how a job is moved, for every command that moves jobs.
class MigrationOptions {
 public:
  /// Adds the flags to `command`. CLI11 writes into this object, which must outlive `command`; a
  /// copy made after parsing has the values.
  void add_to(CLI::App& command);
  /// Adds --rehearse, for commands whose migrations commit. Call it after add_to().
  void add_rehearsal_to(CLI::App& command);
  /// The flags as a specification without job and target. Throws Error{bad_request} for a value
  /// that a flag does not take.
  [[nodiscard]] MigrationSpec spec() const;

 private:
  using Apply = std::function<void(MigrationSpec& spec, const std::string& text)>;
  /// The value of a flag as text, and what sets the specification's field from it.
  struct Flag {
    std::string text;
    Apply apply;
  };

  CLI::Option* option(CLI::App& command, const std::string& name, const std::string& otherwise,
                      const std::string& help, Apply apply);

  std::deque<Flag> flags_;  // CLI11 keeps their addresses
  MigrationSpec switches_;  // set by the flags without a value
};

}  // namespace cardswap::cli
