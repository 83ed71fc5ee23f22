#include "agent/jobs/log_limit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "agent/base/units.h"
#include "agent/process/log_file.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

constexpr auto kLookEvery = std::chrono::seconds(2);
// Of the file system: what does not fill one stays.
constexpr std::uint64_t kBlock = 4096;

Descriptor open_log(const std::filesystem::path& log, int how, struct stat& facts) {
  Descriptor file(open_old_log(log, how));
  if (file && ::fstat(file.get(), &facts) != 0) file.reset();
  return file;
}

}  // namespace

std::int64_t first_byte_in(int log, std::int64_t size) {
  const auto first = ::lseek(log, 0, SEEK_DATA);
  if (first >= 0) return std::min<std::int64_t>(first, size);
  return errno == ENXIO ? size : 0;
}

std::int64_t first_byte_of(const std::filesystem::path& log) {
  struct stat facts {};
  const auto file = open_log(log, O_RDONLY, facts);
  return file ? first_byte_in(file.get(), facts.st_size) : 0;
}

std::uint64_t shorten_log(const std::filesystem::path& log, std::uint64_t max_bytes) {
  struct stat facts {};
  if (::lstat(log.c_str(), &facts) != 0) return 0;
  if (static_cast<std::uint64_t>(facts.st_size) <= max_bytes)
    return 0;  // most are, and stay closed
  const auto file = open_log(log, O_RDWR, facts);
  if (!file) return 0;
  const auto first = static_cast<std::uint64_t>(first_byte_in(file.get(), facts.st_size));
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  if (size - first <= max_bytes) return 0;
  const auto stays = (size - max_bytes / 2) / kBlock * kBlock;
  if (stays <= first) return 0;
  if (::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  static_cast<off_t>(stays)) != 0) {
    throw Error(Code::io,
                fmt::format("free the beginning of {}: {}", log.string(), std::strerror(errno)),
                "the file system must be able to make holes in files; ext4, xfs, btrfs and tmpfs "
                "are");
  }
  return stays - first;
}

std::uint64_t free_unwritten_space(const std::filesystem::path& log, std::uint64_t max_bytes) {
  constexpr std::uint64_t kStatBlock = 512;
  struct stat facts {};
  const auto on_disk = [&] { return static_cast<std::uint64_t>(facts.st_blocks) * kStatBlock; };
  if (::lstat(log.c_str(), &facts) != 0 || on_disk() <= max_bytes) return 0;
  const auto file = open_log(log, O_RDWR, facts);
  if (!file) return 0;
  const auto first = static_cast<std::uint64_t>(first_byte_in(file.get(), facts.st_size));
  const auto before = on_disk();
  const auto written = static_cast<std::uint64_t>(facts.st_size) - first;
  if (before <= written || before - written <= max_bytes) return 0;
  const bool is_freed =
      (first < kBlock || ::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                                     static_cast<off_t>(first / kBlock * kBlock)) == 0) &&
      ::ftruncate(file.get(), facts.st_size) == 0;  // frees what lies behind
  if (!is_freed) {
    throw Error(Code::io,
                fmt::format("free what {} has allocated: {}", log.string(), std::strerror(errno)),
                "the file system must be able to make holes in files; ext4, xfs, btrfs and tmpfs "
                "are");
  }
  if (::fstat(file.get(), &facts) != 0) return 0;
  return before - std::min(before, on_disk());
}

asio::awaitable<void> bound_logs(JobList& jobs, EventSink& events, std::uint64_t max_bytes) {
  if (max_bytes == 0) co_return;
  std::map<std::string, std::uint64_t> told;  // by log: how much was gone when it was last told
  asio::steady_timer timer(co_await asio::this_coro::executor);
  const auto tell = [&](const Instance& of, std::string kind, const std::string& text) {
    spdlog::warn("{}", text);
    events.emit({.kind = std::move(kind), .text = text, .job = of.name(), .device = of.device()});
  };
  while (true) {
    timer.expires_after(kLookEvery);
    co_await timer.async_wait(asio::use_awaitable);
    std::erase_if(told, [&](const auto& one) {
      return std::ranges::none_of(jobs.instances(), [&](const Instance* instance) {
        return instance->record().log_path == one.first;
      });
    });
    for (const auto* instance : jobs.instances()) {
      try {
        if (const auto hidden = free_unwritten_space(instance->record().log_path, max_bytes);
            hidden != 0) {
          tell(*instance, "job_log_shortened",
               fmt::format("job {}: its log had {} of the disk that nothing was written to: they "
                           "were freed (--job-log-max)",
                           instance->name(), format_size(hidden)));
        }
        if (shorten_log(instance->record().log_path, max_bytes) == 0) continue;
        const auto gone = static_cast<std::uint64_t>(first_byte_of(instance->record().log_path));
        const auto [before, first] = told.try_emplace(instance->record().log_path, 0);
        // 0: a file system that makes holes and does not find them.
        if (!first && (gone == 0 || gone < 2 * before->second)) continue;
        before->second = gone;
        tell(*instance, "job_log_shortened",
             fmt::format("job {}: its log is over {}: the first {} of what it printed are gone "
                         "(--job-log-max)",
                         instance->name(), format_size(max_bytes), format_size(gone)));
      } catch (const Error& error) {
        if (!told.emplace(instance->record().log_path, 0).second) continue;
        tell(*instance, "job_log_unbounded",
             fmt::format("job {}: its log is over {} and grows on: {}", instance->name(),
                         format_size(max_bytes), error.failure()));
      }
    }
  }
}

}  // namespace cardswap
