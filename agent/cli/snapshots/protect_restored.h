#pragma once

#include <string>

#include "agent/cli/command_context.h"

namespace cardswap::cli {

/// A job that goes on from a snapshot, and the store that has it.
struct RestoredJob {
  std::string name;
  std::string store;
  std::string protect_every;  ///< as `protect --every` has it; empty: nobody asked for that
};

/// Throws Error{bad_request} unless `every` is empty or a cadence; to be called before anything is
/// begun.
void check_protect_every(const std::string& every);

/// The job is another one than that of the snapshot, and has not its protection. Protects it in the
/// same store if that was asked for; else says on stderr that it is not protected, and how it would
/// be. Does nothing unless `restored` is Exit::done, and returns it. Throws the agent's error if
/// the job runs and cannot be protected.
Exit protect_restored(const Context& context, Client& client, const RestoredJob& job,
                      Exit restored);

}  // namespace cardswap::cli
