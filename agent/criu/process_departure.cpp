#include "agent/criu/process_departure.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "agent/base/task_group.h"
#include "agent/criu/image_room.h"
#include "agent/criu/init_program.h"
#include "agent/process/child.h"
#include "agent/process/process_tree.h"
#include "agent/process/program_beside.h"
#include "migrator/base/error.h"
#include "migrator/base/ms_since.h"

namespace cardswap::criu {
namespace {

constexpr std::chrono::seconds kCustodianStartMax{5};

/// Checks that the image will fit, by the processes' memory: its exact size is not known before.
void check_room(const ProcessId& root, const ImageDir& images) {
  const auto held = memory_of(root);
  const auto room = std::min(images.free_bytes(), image_room(ImageUse::dumped));
  const auto why = why_no_room(held.own + held.shared, room, "here");
  if (!why.empty()) throw Error(Code::no_memory, why, "end or move something else first");
}

/// The paths under which the job's processes have the job's log open.
std::vector<std::string> names_of(const std::filesystem::path& log, const ProcessId& root) {
  struct stat wanted {};
  std::set<std::string> names;
  if (::stat(log.c_str(), &wanted) != 0) return {};
  for (const auto pid : tree_of(root)) {
    std::error_code gone;
    for (const auto& entry :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid), gone)) {
      struct stat about {};
      if (::stat(entry.path().c_str(), &about) != 0) continue;
      if (about.st_dev != wanted.st_dev || about.st_ino != wanted.st_ino) continue;
      names.insert(std::filesystem::read_symlink(entry.path(), gone).string());
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace

ProcessDeparture::ProcessDeparture(asio::io_context& context, std::string criu,
                                   std::filesystem::path job_dir, DriverStateCallbacks callbacks)
    : criu_(std::move(criu)),
      job_dir_(std::move(job_dir)),
      callbacks_(std::move(callbacks)),
      sender_(context) {}

asio::awaitable<void> ProcessDeparture::prepare(ImageEndpoint endpoint, ProcessId program,
                                                std::string user, std::string socket) {
  co_await sender_.connect(endpoint.host, endpoint.port, endpoint.token, endpoint.key);
  ProcessSpec spec;
  spec.argv = {program_beside("cardswap-holder").string(), "--custody", socket, "--trainer",
               std::to_string(program.pid)};
  if (!user.empty()) spec.user = job_user(user);
  spec.log = job_dir_ / "custodian.log";
  std::error_code absent;  // an earlier job's of that name, which may have been another user's
  std::filesystem::remove(spec.log, absent);
  custodian_ = co_await start_child(spec);
  const auto until = std::chrono::steady_clock::now() + kCustodianStartMax;
  while (!std::filesystem::exists(socket)) {
    if (!may_be_alive(custodian_) || std::chrono::steady_clock::now() >= until) {
      signal_group(custodian_, SIGKILL);
      (void)co_await wait_and_reap(custodian_);
      throw Error(Code::io, "the custodian of the job's memory did not start",
                  "look at " + spec.log.string());
    }
    co_await pause_for(std::chrono::milliseconds(2));
  }
}

asio::awaitable<void> ProcessDeparture::dump(ProcessId root, std::uint64_t socket_inode,
                                             std::filesystem::path job_log) {
  images_.emplace();
  manifest_ = {};
  manifest_.socket = fmt::format("socket:[{}]", socket_inode);
  manifest_.logs = names_of(job_log, root);
  if (callbacks_.before_dump) {
    const auto begin = std::chrono::steady_clock::now();
    manifest_.saved_by_driver = co_await callbacks_.before_dump(root);
    if (!manifest_.saved_by_driver.empty()) {
      driver_suspend_ms_ = ms_since(begin);
    }
  }
  check_room(root, *images_);
  DumpOrder order;
  order.criu = criu_;
  order.root = root;
  order.socket = manifest_.socket;
  order.log = job_dir_ / "cardswap-init.log";
  std::optional<Error> failed;
  try {
    co_await criu::dump(std::move(order), *images_);
  } catch (const Error& error) {
    failed = error;
  }
  images_->save_log("dump.log", (job_dir_ / "criu-dump.log").string());
  if (failed) {
    throw Error(failed->code(), failed->failure(),
                fmt::format("all that CRIU said is in {}", (job_dir_ / "criu-dump.log").string()));
  }
  manifest_.files = images_->files();
}

asio::awaitable<void> ProcessDeparture::ship(std::uint64_t bytes_per_s_max) {
  co_await sender_.send(*images_, manifest_, bytes_per_s_max);
  images_.reset();
}

}  // namespace cardswap::criu
