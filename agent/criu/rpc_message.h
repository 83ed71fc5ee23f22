#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap::criu {

/// criu_req_type of CRIU's rpc.proto.
enum class Call : std::uint8_t { dump = 1, restore = 2, check = 3, notify = 6 };

/// A descriptor of the process that runs CRIU, in the place of what the dumped process had open.
struct InheritFd {
  std::string key;  ///< "socket:[4711]", or a file's path without its first slash
  int fd = -1;
};

/// What Cardswap sets of criu_opts; all else is as CRIU has it.
struct Options {
  int pid = 0;             ///< dump: the root of the tree, as the PID namespace of CRIU counts
  std::string images_dir;  ///< its log is written there too
  std::string log_file;    ///< a name in `images_dir`
  std::vector<std::string> external;
  std::vector<InheritFd> inherit;
  std::uint32_t timeout_s = 0;
  bool leave_stopped = false;  ///< restore too: whatever was restored stands
  bool notify = false;         ///< each stage is told, and CRIU waits for a word on it
  bool rst_sibling = false;    ///< restore: the root becomes a child of the caller
};

/// CRIU's answer to a request.
struct Response {
  Call call = Call::check;
  bool success = false;
  int restored_pid = 0;  ///< as the PID namespace of CRIU counts
  int error_number = 0;  ///< errno; 0: none told
  std::string stage;     ///< of Call::notify: "pre-resume" and others
  std::string message;   ///< the first thing that CRIU called an error, harmless ones included
};

/// One request of `criu swrk`, in Protocol Buffers' encoding (docs/decisions/006).
[[nodiscard]] std::vector<std::byte> encode(Call call, const Options& options);
/// The word that lets CRIU go on from a stage.
[[nodiscard]] std::vector<std::byte> encode_go_on();
/// Reads an answer; fields that are not known are passed over. Throws Error{corrupt}.
[[nodiscard]] Response decode_response(std::span<const std::byte> bytes);

/// What went wrong, by a log of CRIU's: its last error lines, without times and places.
[[nodiscard]] std::string errors_in_log(std::string_view log);

}  // namespace cardswap::criu
