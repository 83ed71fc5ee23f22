#include "agent/report/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "agent/base/units.h"
#include "migrator/core/descriptor.h"
#include "migrator/core/error.h"

namespace cardswap::report {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& file, int error) {
  throw Error(Code::io,
              fmt::format("cannot write {}: {}", file, std::generic_category().message(error)),
              "name a file in a folder that exists and that you may write to, or - for stdout");
}

/// 0, or the error.
int write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const auto written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

void replace(const fs::path& file, std::string_view content) {
  auto fresh = file;
  fresh += "." + random_hex(4) + ".new";
  int error = 0;
  {
    Descriptor out(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (out.get() < 0) fail(file.string(), errno);
    error = write_all(out.get(), content);
    if (error == 0 && ::fsync(out.get()) != 0) error = errno;
    if (::close(out.release()) != 0 && error == 0) error = errno;
  }
  if (error == 0 && ::rename(fresh.c_str(), file.c_str()) != 0) error = errno;
  if (error == 0) return;
  ::unlink(fresh.c_str());
  fail(file.string(), error);
}

}  // namespace

void write_output(const std::string& file, std::string_view content) {
  if (file == "-") {
    if (const int error = write_all(STDOUT_FILENO, content); error != 0) fail("stdout", error);
    return;
  }
  std::error_code absent;
  const auto status = fs::status(file, absent);
  if (fs::is_directory(status)) fail(file, EISDIR);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    const Descriptor out(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (out.get() < 0) fail(file, errno);
    if (const int error = write_all(out.get(), content); error != 0) fail(file, error);
    return;
  }
  // A link stays a link: what it names is replaced.
  const auto real = fs::exists(status) ? fs::canonical(file, absent) : fs::path(file);
  replace(absent ? fs::path(file) : real, content);
}

}  // namespace cardswap::report
