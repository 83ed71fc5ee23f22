#pragma once

#include <filesystem>
#include <string>

#include "agent/base/config.h"

/// Where a job's process meets who keeps its memory while it moves: a folder for each migration
/// below `handover`, which nobody but the agent can make names in. The folder is the job's user's
/// alone, so that no other user is taken for the keeper.
namespace cardswap::criu {

/// Makes `handover` itself, as it has to be. Throws Error{io} when it cannot be made so.
void prepare_handoff_dirs(const Config& config);

/// Who meets the process: both may be on one host.
enum class HandoffPeer { keeper, holder };

[[nodiscard]] std::filesystem::path handoff_socket(const Config& config,
                                                   const std::string& migration, HandoffPeer with);
/// Makes the folder anew for `user`; empty: the agent's. Throws Error{io}.
void make_handoff_dir(const Config& config, const std::string& migration, HandoffPeer with,
                      const std::string& user);
void remove_handoff_dir(const Config& config, const std::string& migration,
                        HandoffPeer with) noexcept;

}  // namespace cardswap::criu
