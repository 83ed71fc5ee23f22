#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "agent/criu/driver_state_callbacks.h"
#include "agent/criu/image_stream.h"
#include "agent/criu/init_program.h"
#include "migrator/base/descriptor.h"

namespace cardswap::criu {

/// The target's part of moving a process: receives its image and restores it. It serves one
/// migration; one thread. The destructor kills the restored tree, unless grant() was called before.
class ProcessArrival {
 public:
  /// The parameters of an arrival.
  struct Needs {
    std::string criu;  ///< the path of CRIU
    std::string host;  ///< the address on which to receive the image
    std::string token;
    std::string key;  ///< in hexadecimal; empty: not sealed
    std::filesystem::path job_dir;
    std::filesystem::path log;        ///< the job's log
    std::filesystem::path status;     ///< the file for its exit status
    std::vector<cuda::GpuPair> gpus;  ///< GPUs that another GPU replaces here, for the driver
    DriverStateCallbacks callbacks;
  };
  /// Listens for the image. Throws Error{io}.
  ProcessArrival(boost::asio::io_context& context, Needs needs);
  ~ProcessArrival();
  ProcessArrival(const ProcessArrival&) = delete;
  ProcessArrival& operator=(const ProcessArrival&) = delete;

  [[nodiscard]] std::uint16_t port() const { return receiver_.port(); }

  /// The result of restored().
  struct Result {
    RestoreReport tree;
    Descriptor socket;  ///< this agent's end of the job's connection
    std::uint64_t image_bytes = 0;
    double restore_ms = 0;        ///< from the received image to the restored tree
    double driver_resume_ms = 0;  ///< until the driver had restored its state; 0: there was none
  };
  /// Waits for the image, without a limit, then restores it; `received` is called in between.
  /// Throws Error; nothing of the tree is left then.
  boost::asio::awaitable<Result> restored(std::function<void()> received);

  /// Lets the tree outlive this object and the agent: it has the job.
  void grant();
  /// Makes restored() end with an error, and kills a restored tree that was not granted. While the
  /// GPU driver works on the tree, it is killed as soon as the driver is done.
  void close();
  /// The first process of the tree's PID namespace; pid 0: there is none yet.
  [[nodiscard]] const ProcessId& init() const { return init_; }

 private:
  boost::asio::awaitable<void> wake(ProcessId root, const ImageManifest& manifest);

  Needs needs_;
  ImageReceiver receiver_;
  Descriptor lifeline_;
  ProcessId init_;
  bool granted_ = false;
  bool resuming_ = false;  ///< the driver restores state of the tree
  bool closed_ = false;
};

}  // namespace cardswap::criu
