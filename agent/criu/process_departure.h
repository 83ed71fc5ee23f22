#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "agent/criu/callbacks.h"
#include "agent/criu/image_dir.h"
#include "agent/criu/image_stream.h"
#include "agent/process/process.h"

namespace cardswap::criu {

/// Moves a process at the source: starts a keeper for the memory that was sent ahead, dumps the
/// process and sends the images. It serves one migration and belongs to that host's agent; one
/// thread.
///
/// The keeper outlives it on purpose: it holds the job's memory until the job takes it back or is
/// gone, whatever happens to the agent.
class ProcessDeparture {
 public:
  /// Where the image goes.
  struct ImageEndpoint {
    std::string host;  ///< where the target's agent takes the image
    std::uint16_t port = 0;
    std::string token;
    std::string key;  ///< in hexadecimal; empty: not sealed
  };

  ProcessDeparture(boost::asio::io_context& context, std::string criu,
                   std::filesystem::path job_dir, Callbacks callbacks);

  /// Does all that can be done while the job runs: connects to the target, starts the keeper for
  /// `trainer` and its `user` (empty: the agent's), which listens at `socket`. Throws Error.
  boost::asio::awaitable<void> prepare(ImageEndpoint endpoint, ProcessId trainer, std::string user,
                                       std::string socket);
  [[nodiscard]] const ProcessId& keeper() const { return keeper_; }

  /// Dumps the stopped-to-be tree; it cannot be ended early. Throws Error; the tree runs on then.
  boost::asio::awaitable<void> dump(ProcessId root, std::uint64_t socket_inode,
                                    std::filesystem::path job_log);
  /// Returns when the target has the whole image. Throws Error.
  boost::asio::awaitable<void> ship(std::uint64_t bytes_per_s_max);
  [[nodiscard]] std::uint64_t image_bytes() const { return manifest_.total_bytes(); }
  /// The milliseconds of dump() until a driver had saved its state. 0: there was none.
  [[nodiscard]] double driver_suspend_ms() const { return driver_suspend_ms_; }

  /// Ends what is waited for, the dump excepted.
  void close() { sender_.close(); }

 private:
  std::string criu_;
  std::filesystem::path job_dir_;
  Callbacks callbacks_;
  ImageSender sender_;
  ProcessId keeper_;
  std::optional<ImageDir> images_;
  ImageManifest manifest_;
  double driver_suspend_ms_ = 0;
};

}  // namespace cardswap::criu
