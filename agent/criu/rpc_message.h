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

/// A descriptor of the process that runs CRIU, which replaces one of the dumped process.
struct InheritFd {
  std::string key;  ///< "socket:[4711]", or a file's path without its first slash
  int fd = -1;
};

/// The fields of criu_opts that Cardswap sets; all others have CRIU's defaults.
struct Options {
  int pid = 0;             ///< dump: the root's pid in CRIU's PID namespace
  std::string images_dir;  ///< its log is written there too
  std::string log_file;    ///< a name in `images_dir`
  std::vector<std::string> external;
  std::vector<InheritFd> inherit;
  std::uint32_t timeout_s = 0;
  bool leave_stopped = false;  ///< leave the tree stopped, after a dump and after a restore
  bool notify = false;         ///< CRIU reports each stage and waits for encode_go_on()
  bool rst_sibling = false;    ///< restore: the root becomes a child of the caller
};

/// CRIU's answer to a request.
struct Response {
  Call call = Call::check;
  bool success = false;
  int restored_pid = 0;  ///< the root's pid in CRIU's PID namespace
  int error_number = 0;  ///< errno; 0: not reported
  std::string stage;     ///< with Call::notify: "pre-resume" and others
  std::string message;   ///< the first message that CRIU logged as an error, even a harmless one
};

/// Encodes a request to `criu swrk` as Protocol Buffers do (docs/decisions/006).
[[nodiscard]] std::vector<std::byte> encode(Call call, const Options& options);
/// Encodes the message that lets CRIU go on from a stage.
[[nodiscard]] std::vector<std::byte> encode_go_on();
/// Reads an answer; unknown fields are skipped. Throws Error{corrupt}.
[[nodiscard]] Response decode_response(std::span<const std::byte> bytes);

/// The last error lines of a log of CRIU, without times and source lines; empty: it has none.
[[nodiscard]] std::string errors_in_log(std::string_view log);

}  // namespace cardswap::criu
