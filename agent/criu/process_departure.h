#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "agent/criu/driver_state_callbacks.h"
#include "agent/criu/image_dir.h"
#include "agent/criu/image_stream.h"
#include "agent/process/process.h"

namespace cardswap::criu {

/// The source's part of moving a process: starts a custodian for the memory that was sent ahead,
/// dumps the process and sends the image. It serves one migration; one thread.
///
/// The custodian outlives it on purpose: it holds the job's memory until the job takes it back or
/// has ended, whatever happens to the agent.
class ProcessDeparture {
 public:
  /// Where the target's agent receives the image.
  struct ImageEndpoint {
    std::string host;
    std::uint16_t port = 0;
    std::string token;
    std::string key;  ///< in hexadecimal; empty: not sealed
  };

  /// `context` must outlive it.
  ProcessDeparture(boost::asio::io_context& context, std::string criu,
                   std::filesystem::path job_dir, DriverStateCallbacks callbacks);

  /// Does all that can be done while the job runs: connects to the target, and starts the custodian
  /// of `program` as `user` (empty: the agent's user), which listens at the path `socket`. Takes
  /// some seconds at most. Throws Error: what ImageSender::connect(), job_user() and start_child()
  /// throw, Error{io} for a custodian that does not start.
  boost::asio::awaitable<void> prepare(ImageEndpoint endpoint, ProcessId program, std::string user,
                                       std::string socket);
  [[nodiscard]] const ProcessId& custodian() const { return custodian_; }

  /// Saves the tree's GPU state and dumps the tree, which is stopped then. It cannot be ended
  /// early. Throws Error{no_memory} if the image does not fit, and what before_dump, ImageDir
  /// and criu::dump() throw; the tree runs on then, perhaps without its GPU state
  /// (DriverStateCallbacks::undo).
  boost::asio::awaitable<void> dump(ProcessId root, std::uint64_t socket_inode,
                                    std::filesystem::path job_log);
  /// Sends the image after dump(); returns when the target has all of it. Throws what
  /// ImageSender::send() throws.
  boost::asio::awaitable<void> ship(std::uint64_t bytes_per_s_max);
  [[nodiscard]] std::uint64_t image_bytes() const { return manifest_.total_bytes(); }
  /// The part of dump() in which the driver saved its state, in ms. 0: there was none.
  [[nodiscard]] double driver_suspend_ms() const { return driver_suspend_ms_; }

  /// Makes prepare() and ship() end with an error; does not end a dump.
  void close() { sender_.close(); }

 private:
  std::string criu_;
  std::filesystem::path job_dir_;
  DriverStateCallbacks callbacks_;
  ImageSender sender_;
  ProcessId custodian_;
  std::optional<ImageDir> images_;
  ImageManifest manifest_;
  double driver_suspend_ms_ = 0;
};

}  // namespace cardswap::criu
