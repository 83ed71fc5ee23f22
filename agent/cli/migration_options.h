#pragma once

#include <CLI/CLI.hpp>
#include <deque>
#include <functional>
#include <string>

#include "migrator/plan/migration_spec.h"

namespace cardswap::cli {

/// How jobs are to be moved, whichever command moves them.
class MigrationOptions {
 public:
  /// The command reads its flags into this object, which outlives it; a copy has what they said.
  void add_to(CLI::App& command);
  /// --rehearse, for commands whose migrations commit. After add_to().
  void add_rehearsal_to(CLI::App& command);
  /// What the flags say; job and destination are the command's. Throws Error{bad_request}.
  [[nodiscard]] MigrationSpec spec() const;

 private:
  using Apply = std::function<void(MigrationSpec& spec, const std::string& text)>;
  /// A flag, and what it sets.
  struct Flag {
    std::string text;
    Apply apply;
  };

  CLI::Option* option(CLI::App& command, const std::string& name, const std::string& otherwise,
                      const std::string& help, Apply apply);

  std::deque<Flag> flags_;  // CLI11 keeps their addresses
  MigrationSpec switches_;  // of the flags without a value
};

}  // namespace cardswap::cli
