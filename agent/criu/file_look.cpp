#include "agent/criu/file_look.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "agent/base/task_group.h"
#include "agent/base/units.h"
#include "agent/criu/init_program.h"
#include "agent/process/memory_file.h"
#include "agent/process/pipe.h"
#include "agent/process/program_beside.h"
#include "migrator/core/descriptor.h"
#include "migrator/core/error.h"

namespace cardswap::criu {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kLookMax{5};
constexpr int kReapTries = 100;
constexpr std::chrono::milliseconds kReapEvery{20};

struct Looking {
  ProcessId process;
  Descriptor report;
};
Looking start(std::optional<JobUser> user, const std::vector<NeededFile>& files,
              const std::filesystem::path& dir) {
  const auto order = memory_file("cardswap-files", encode(files));
  auto report = make_pipe();
  Looking looking{{}, std::move(report.read)};
  ProcessSpec spec;
  spec.argv = {program_beside("cardswap-init").string(), "files"};
  spec.cwd = std::string("/");  // GCC 12 warns of the assignment of a literal here
  spec.log = dir / ("file-look-" + random_hex(4));
  spec.dies_with_agent = true;
  spec.user = std::move(user);
  spec.no_new_privs = true;
  spec.inherit = {order.get(), report.write.get()};
  looking.process = start_process(spec);
  std::error_code ignored;
  std::filesystem::remove(spec.log, ignored);
  return looking;
}

/// A process that the kernel holds cannot be waited for: it ends when that lets it go.
asio::awaitable<void> end(ProcessId process) {
  ::kill(process.pid, SIGKILL);
  for (int tries = 0; tries < kReapTries; ++tries) {
    if (::waitpid(process.pid, nullptr, WNOHANG) != 0) co_return;
    co_await pause_for(kReapEvery);
  }
}

}  // namespace

asio::awaitable<std::vector<FileHere>> look_at_files_as(std::optional<JobUser> user,
                                                        std::vector<NeededFile> files,
                                                        std::filesystem::path dir) {
  std::vector<FileHere> found;
  if (files.empty()) co_return found;
  auto looking = start(std::move(user), files, dir);
  const auto executor = co_await asio::this_coro::executor;
  asio::posix::stream_descriptor pipe(executor, looking.report.release());
  asio::steady_timer limit(executor, kLookMax);
  // The limit may be over in the same turn as the last answer: its handler comes after the pipe
  // then.
  const auto waits = std::make_shared<bool>(true);
  limit.async_wait(
      [&pipe, still = std::weak_ptr<bool>(waits)](const boost::system::error_code& cancelled) {
        boost::system::error_code ignored;
        if (!cancelled && !still.expired()) pipe.cancel(ignored);
      });
  boost::system::error_code error;
  std::array<char, 4096> piece{};
  while (!error && found.size() < files.size()) {
    const auto got = co_await pipe.async_read_some(
        asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    for (std::size_t i = 0; i < got && found.size() < files.size(); ++i) {
      found.push_back(static_cast<FileHere>(piece.at(i)));
    }
  }
  const bool over = error == asio::error::operation_aborted;
  limit.cancel();
  co_await end(looking.process);
  if (over) {
    throw Error(Code::timed_out,
                fmt::format("the files that the job needs could not be looked at within {} s",
                            kLookMax.count()),
                "a file system of that host does not answer");
  }
  co_return found;
}

}  // namespace cardswap::criu
