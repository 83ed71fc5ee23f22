#pragma once

#include <filesystem>
#include <string>

#include "agent/base/config.h"

/// The folders for the sockets over which a job's process hands its memory over while it moves:
/// one for each migration and peer, below Config::criu_socket_dir(), in which only the agent
/// can create entries. Each folder belongs to the job's user alone, so that no other user can stand
/// in for the custodian or the holder.
namespace cardswap::criu {

/// Makes Config::criu_socket_dir() with the right owner and mode, and removes from it all files,
/// links and empty folders: they are of ended moves. Throws Error{io}.
void prepare_criu_socket_dirs(const Config& config);

/// The process that keeps the memory: the custodian at the source or the holder at the target. Both
/// may be on one host.
enum class CriuSocketPeer { custodian, holder };
/// The path of the socket on which the peer listens.
[[nodiscard]] std::filesystem::path criu_socket(const Config& config, const std::string& migration,
                                                CriuSocketPeer with);
/// Makes the folder for `user` (empty: the agent's user), in place of an old one. Throws Error{io},
/// and Error{refused} as job_user() does.
void make_criu_socket_dir(const Config& config, const std::string& migration, CriuSocketPeer with,
                          const std::string& user);
/// Removes the folder, if it is there.
void remove_criu_socket_dir(const Config& config, const std::string& migration,
                            CriuSocketPeer with) noexcept;

}  // namespace cardswap::criu
