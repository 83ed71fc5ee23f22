#include "agent/handover/base/standby_warning.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/jobs/open_files.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

constexpr std::size_t kFilesTold = 8;
constexpr std::size_t kWarningMax = 2000;  // other agents shorten longer texts

}  // namespace

std::string standby_warning(const Instance& standby, const std::string& job,
                            const std::string& host) {
  auto files = written_over(open_files_of(standby.program().pid), {standby.record().log_path});
  if (files.empty()) return {};
  const auto more = files.size() > kFilesTold ? files.size() - kFilesTold : 0;
  if (more > 0) files.resize(kFilesTold);
  return bounded_warning(fmt::format(
      "the standby of job {} on {} has opened {}{} to write before its first boundary, not at the "
      "end: if the job writes there too, what it wrote is overwritten; open logs to append, and "
      "write other files only where session.is_standby() is false",
      job, host, fmt::join(files, ", "), more > 0 ? fmt::format(" and {} more", more) : ""));
}

std::string bounded_warning(std::string text) {
  if (text.size() > kWarningMax) text.resize(kWarningMax);
  return as_utf8(std::move(text));
}

}  // namespace cardswap
