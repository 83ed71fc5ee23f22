#include "agent/criu/facts/file_inspection.h"

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <string>

#include "agent/process/run_in_child.h"
#include "migrator/base/error.h"

namespace cardswap::criu {
namespace {

constexpr std::chrono::seconds kFilesInspectionMax{5};

}  // namespace

boost::asio::awaitable<std::vector<FileMatch>> inspect_files_as(std::optional<JobUser> user,
                                                                std::vector<NeededFile> files) {
  std::vector<FileMatch> found;
  if (files.empty()) co_return found;
  const std::function<std::string()> inspect = [&user, &files] {
    if (user) become_in_child(*user);
    std::string letters;
    for (const auto& file : files) letters += static_cast<char>(inspect_file(file));
    return letters;
  };
  try {
    const auto letters = co_await run_in_child(inspect, kFilesInspectionMax);
    for (const auto letter : letters) found.push_back(static_cast<FileMatch>(letter));
  } catch (const Error& error) {
    if (error.code() != Code::timed_out) throw;
    throw Error(Code::timed_out,
                fmt::format("the files that the job needs could not be looked at within {} s",
                            kFilesInspectionMax.count()),
                "a file system of that host does not answer");
  }
  co_return found;
}

}  // namespace cardswap::criu
