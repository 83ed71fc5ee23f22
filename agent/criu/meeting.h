#pragma once

#include <filesystem>
#include <string>

#include "agent/base/config.h"

/// Where a job's process meets who keeps its memory while it moves: a folder for each migration
/// below `handover`, which nobody but the agent can make names in. The folder is the job's user's
/// alone, so that no other user is taken for the keeper.
namespace cardswap::criu {

/// Makes `handover` itself, as it has to be. Throws Error{io} when it cannot be made so.
void prepare_meetings(const Config& config);

/// Who meets the process: both may be on one host.
enum class Meeting { keeper, holder };

[[nodiscard]] std::filesystem::path meeting_socket(const Config& config,
                                                   const std::string& migration, Meeting with);
/// Makes the folder anew for `user`; empty: the agent's. Throws Error{io}.
void open_meeting(const Config& config, const std::string& migration, Meeting with,
                  const std::string& user);
void close_meeting(const Config& config, const std::string& migration, Meeting with) noexcept;

}  // namespace cardswap::criu
