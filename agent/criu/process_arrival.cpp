#include "agent/criu/process_arrival.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "agent/process/pipe.h"
#include "agent/process/process_tree.h"
#include "migrator/base/error.h"
#include "migrator/base/ms_since.h"
#include "migrator/base/os_error.h"

namespace cardswap::criu {

namespace asio = boost::asio;

namespace {

constexpr std::uint64_t kRestoreRateMin = 200'000;  // bytes a millisecond

struct Pair {
  Descriptor one, other;
};
Pair make_sockets() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw os_error("make a socket");
  }
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

}  // namespace

ProcessArrival::ProcessArrival(asio::io_context& context, Needs needs)
    : needs_(std::move(needs)), receiver_(context, needs_.host, needs_.token, needs_.key) {}

ProcessArrival::~ProcessArrival() {
  resuming_ = false;
  close();
}

asio::awaitable<ProcessArrival::Result> ProcessArrival::restored(std::function<void()> received) {
  const ImageDir images;
  const auto manifest = co_await receiver_.receive(images);
  received();
  const auto begin = std::chrono::steady_clock::now();
  auto sockets = make_sockets();
  auto lifeline = make_pipe();
  const auto theirs = std::move(lifeline.read);
  lifeline_ = std::move(lifeline.write);
  RestoreOrder order;
  order.criu = needs_.criu;
  order.socket = manifest.socket;
  order.socket_fd = sockets.other.get();
  order.lifeline = theirs.get();
  order.dumped_logs = manifest.logs;
  order.log = needs_.log;
  order.own_log = needs_.job_dir / "cardswap-init.log";
  order.status = needs_.status;
  order.limit += std::chrono::milliseconds(manifest.total_bytes() / kRestoreRateMin);
  Result result;
  std::optional<Error> failed;
  try {
    result.tree = co_await criu::restore(std::move(order), images, init_);
  } catch (const Error& error) {
    failed = error;
  }
  const auto log = (needs_.job_dir / "criu-restore.log").string();
  images.save_log("restore.log", log);
  if (failed) {
    throw Error(failed->code(), failed->failure(), "all that CRIU said is in " + log + " there");
  }
  const auto restored_at = std::chrono::steady_clock::now();
  result.restore_ms = ms_since(begin);
  if (!manifest.saved_by_driver.empty()) {
    // The driver works on their own threads.
    for (const auto pid : tree_of(result.tree.root)) {
      const auto inner = static_cast<std::uint32_t>(innermost_pid_of(pid));
      if (std::ranges::find(manifest.saved_by_driver, inner) != manifest.saved_by_driver.end()) {
        ::kill(pid, SIGCONT);
      }
    }
    co_await wake(result.tree.root, manifest);
    result.driver_resume_ms = ms_since(restored_at);
  }
  result.socket = std::move(sockets.one);
  result.image_bytes = manifest.total_bytes();
  co_return result;
}

asio::awaitable<void> ProcessArrival::wake(ProcessId root, const ImageManifest& manifest) {
  std::optional<Error> failed;
  resuming_ = true;
  try {
    if (!needs_.callbacks.after_restore)
      throw Error(Code::refused, "nothing here knows its driver");
    RestoredTree tree{root, manifest.saved_by_driver, needs_.gpus};
    co_await needs_.callbacks.after_restore(std::move(tree));
  } catch (const Error& error) {
    failed = error;
  }
  if (!failed && closed_) failed = Error(Code::cancelled, "the reservation ended meanwhile");
  if (failed && needs_.callbacks.before_kill) co_await needs_.callbacks.before_kill(root);
  resuming_ = false;
  if (!failed) co_return;
  close();
  if (needs_.callbacks.ended) needs_.callbacks.ended(root);
  throw Error(*failed);
}

void ProcessArrival::grant() {
  granted_ = true;
  const char word = 'g';
  if (lifeline_) (void)!::write(lifeline_.get(), &word, 1);
  lifeline_.reset();
}

void ProcessArrival::close() {
  receiver_.close();
  closed_ = true;
  if (resuming_) return;
  if (!granted_) signal_process(init_, SIGKILL);
  lifeline_.reset();
}

}  // namespace cardswap::criu
