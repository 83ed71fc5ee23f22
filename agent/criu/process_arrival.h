#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "agent/criu/callbacks.h"
#include "agent/criu/image_stream.h"
#include "agent/criu/init_program.h"
#include "migrator/base/descriptor.h"

namespace cardswap::criu {

/// Moves a process at the target: takes its image and has it restored. It serves one migration and
/// belongs to that host's agent; one thread. The destructor ends the restored tree, unless grant()
/// was called before.
class ProcessArrival {
 public:
  /// What is needed to take a process.
  struct Needs {
    std::string criu;
    std::string host;  ///< address to take the image on
    std::string token;
    std::string key;  ///< in hexadecimal; empty: not sealed
    std::filesystem::path job_dir;
    std::filesystem::path log;        ///< of the job
    std::filesystem::path status;     ///< where its exit status will be
    std::vector<cuda::GpuPair> gpus;  ///< GPUs that are others here, for its driver
    Callbacks callbacks;
  };
  /// Listens. Throws Error{io}.
  ProcessArrival(boost::asio::io_context& context, Needs needs);
  ~ProcessArrival();
  ProcessArrival(const ProcessArrival&) = delete;
  ProcessArrival& operator=(const ProcessArrival&) = delete;

  [[nodiscard]] std::uint16_t port() const { return receiver_.port(); }

  /// What was restored.
  struct Result {
    Restored tree;
    Descriptor socket;  ///< this agent's end of the job's connection
    std::uint64_t image_bytes = 0;
    double restore_ms = 0;
    double driver_resume_ms = 0;  ///< until its driver had its state back; 0: there was none
  };
  /// Waits for the image, then restores it; `received` is called in between. Throws Error; nothing
  /// of the tree is left then.
  boost::asio::awaitable<Result> restored(std::function<void()> received);

  /// Gives the tree the job: it outlives this, and the agent.
  void grant();
  /// Ends what is waited for, and what was restored: where its driver is at work on that, as soon
  /// as it has let go.
  void close();
  /// The first process of the tree while that is being restored or not granted; pid 0: none.
  [[nodiscard]] const ProcessId& init() const { return init_; }

 private:
  boost::asio::awaitable<void> resume(ProcessId root, const ImageManifest& manifest);

  Needs needs_;
  ImageReceiver receiver_;
  Descriptor lifeline_;
  ProcessId init_;
  bool granted_ = false;
  bool resuming_ = false;  ///< a driver puts state back into what was restored
  bool closed_ = false;
};

}  // namespace cardswap::criu
