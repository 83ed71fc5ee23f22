#include "agent/criu/init_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "agent/base/text_parts.h"
#include "agent/base/time_limit.h"
#include "agent/process/child.h"
#include "agent/process/pipe.h"
#include "agent/process/process_tree.h"
#include "agent/process/program_beside.h"
#include "migrator/base/error.h"

namespace cardswap::criu {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kReportBytesMax = 64U << 10;
// The numbers that ProcessSpec::inherit gives the descriptors in cardswap-init.
constexpr int kReportFd = 3;
constexpr int kImagesFd = 4;
constexpr int kSocketFd = 5;
constexpr int kRestoreLifelineFd = 6;
constexpr int kDumpLifelineFd = 5;

/// Reads cardswap-init's report from a pipe, piece by piece.
class ReportReader {
 public:
  ReportReader(const asio::any_io_executor& executor, Descriptor pipe)
      : pipe_(executor, pipe.release()) {}

  /// False at its end.
  asio::awaitable<bool> read_more() {
    std::array<char, 4096> piece{};
    boost::system::error_code error;
    const auto got = co_await pipe_.async_read_some(
        asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    if (error || text_.size() + got > kReportBytesMax) co_return false;
    text_.append(piece.data(), got);
    co_return true;
  }
  [[nodiscard]] Report report() const { return parse_report(text_); }

 private:
  asio::posix::stream_descriptor pipe_;
  std::string text_;
};

ProcessSpec init_spec(const std::filesystem::path& log, std::vector<std::string> arguments) {
  ProcessSpec spec;
  spec.argv = std::move(arguments);
  spec.argv.insert(spec.argv.begin(), program_beside("cardswap-init").string());
  spec.env["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  spec.log = log;
  return spec;
}

/// Kills the restoring processes when their time is over. The report's pipe closes then, which ends
/// the reader.
class RestoreLimit {
 public:
  RestoreLimit(const asio::any_io_executor& executor, std::chrono::milliseconds limit,
               ProcessId starter)
      : processes_{starter}, limit_(executor, limit, [this] {
          for (const auto& process : processes_) {
            // Both are waited for here: until then their numbers are their own.
            if (may_be_alive(process)) ::kill(process.pid, SIGKILL);
          }
        }) {}

  /// The first process of the tree's namespace: all that is in it ends with it.
  void ends(const ProcessId& init) { processes_.push_back(init); }
  [[nodiscard]] bool is_over() const { return limit_.is_over(); }

 private:
  std::vector<ProcessId> processes_;
  TimeLimit limit_;
};

Error said(const Report& report, const char* what) {
  return {Code::refused, fmt::format("{}: {}", what,
                                     report.failure.empty() ? "cardswap-init ended without a report"
                                                            : report.failure)};
}

}  // namespace

Report parse_report(std::string_view text) {
  Report report;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) break;  // not whole yet
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.starts_with("init ")) {
      report.init = number_in<pid_t>(line.substr(5)).value_or(0);
    } else if (line.starts_with("ok")) {
      report.ok = true;
      if (line.size() > 3) report.restored = number_in<pid_t>(line.substr(3)).value_or(0);
    } else if (line == "failed") {
      report.failure = text.substr(0, text.find_last_not_of('\n') + 1);
      if (report.failure.empty()) report.failure = "it gave no reason";
      break;
    }
  }
  return report;
}

asio::awaitable<void> dump(DumpOrder order, const ImageDir& images) {
  auto pipe = make_pipe();
  auto spec = init_spec(
      order.log, {"dump", "--criu", order.criu, "--pid", std::to_string(order.root.pid), "--socket",
                  order.socket, "--timeout", std::to_string(order.timeout_s), "--report",
                  std::to_string(kReportFd), "--images", std::to_string(kImagesFd), "--lifeline",
                  std::to_string(kDumpLifelineFd)});
  auto lifeline = make_pipe();  // held until the dump is over
  spec.inherit = {pipe.write.get(), images.fd(), lifeline.read.get()};
  const auto process = co_await start_child(spec);
  pipe.write.reset();
  lifeline.read.reset();
  ReportReader reader(co_await asio::this_coro::executor, std::move(pipe.read));
  while (co_await reader.read_more()) {
  }
  (void)co_await wait_and_reap(process);
  if (!reader.report().ok) throw said(reader.report(), "CRIU could not dump the process");
}

asio::awaitable<Restored> restore(RestoreOrder order, const ImageDir& images, ProcessId& init) {
  auto pipe = make_pipe();
  std::vector<std::string> arguments{"restore",
                                     "--criu",
                                     order.criu,
                                     "--socket",
                                     order.socket,
                                     "--log",
                                     order.log.string(),
                                     "--status",
                                     order.status.string(),
                                     "--report",
                                     std::to_string(kReportFd),
                                     "--images",
                                     std::to_string(kImagesFd),
                                     "--socket-fd",
                                     std::to_string(kSocketFd),
                                     "--lifeline",
                                     std::to_string(kRestoreLifelineFd)};
  for (const auto& path : order.dumped_logs) {
    arguments.insert(arguments.end(), {"--dumped-log", path});
  }
  auto spec = init_spec(order.own_log, std::move(arguments));
  spec.inherit = {pipe.write.get(), images.fd(), order.socket_fd, order.lifeline};
  const auto starter = co_await start_child(spec);
  pipe.write.reset();
  ReportReader reader(co_await asio::this_coro::executor, std::move(pipe.read));
  RestoreLimit limit(co_await asio::this_coro::executor, order.limit, starter);
  while (co_await reader.read_more()) {
    const auto report = reader.report();
    if (report.init != 0 && init.pid == 0) {
      init = {report.init, start_time_of(report.init).value_or(0)};
      limit.ends(init);
    }
    if (report.ok) break;
  }
  (void)co_await wait_and_reap(starter);
  const auto report = reader.report();
  if (!report.ok) {
    if (init.pid != 0) (void)co_await wait_and_reap(init);
    if (limit.is_over()) {
      throw Error(Code::timed_out,
                  fmt::format("CRIU did not restore the process within {:.1f} s",
                              std::chrono::duration<double>(order.limit).count()),
                  "it waited for something, such as a lock that the original holds");
    }
    throw said(report, "CRIU could not restore the process");
  }
  for (const auto pid : children_of(init.pid)) {
    if (innermost_pid_of(pid) == report.restored) {
      co_return Restored{{pid, start_time_of(pid).value_or(0)}, init};
    }
  }
  signal_process(init, SIGKILL);
  throw Error(Code::target_lost, "the restored process ended at once");
}

}  // namespace cardswap::criu
