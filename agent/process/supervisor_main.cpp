#include "agent/process/supervisor_main.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "agent/process/supervisor_order.h"
#include "agent/process/wait_for_tree.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

SupervisorOrder read_order(int fd) {
  struct stat about {};
  if (::fstat(fd, &about) != 0) throw Error(Code::io, "there is no order for the job's parent");
  std::vector<std::byte> bytes(static_cast<std::size_t>(about.st_size));
  std::size_t read = 0;
  while (read < bytes.size()) {
    const auto got =
        ::pread(fd, bytes.data() + read, bytes.size() - read, static_cast<off_t>(read));
    if (got <= 0) throw Error(Code::io, "the order for the job's parent is not whole");
    read += static_cast<std::size_t>(got);
  }
  return supervisor_order_from(bytes);
}

void say(int fd, const std::string& line) {
  [[maybe_unused]] const auto written = ::write(fd, line.data(), line.size());
}

/// Whatever ends all processes of a unit or a session asks first: the job's answer is to be heard.
void outlive_requests() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::signal(number, SIG_IGN);
}

/// Whoever deletes the log gets its room back; the job's own descriptors are the job's.
void let_log_go() {
  const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int fd : {1, 2}) ::dup2(null.get(), fd);
}

/// What it ran to get here it does not run again: the little that waiting takes is mapped anew.
void let_memory_go() {
  ::malloc_trim(0);
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void*) {
        const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const auto& part = object->dlpi_phdr[i];
          // Only code: it is in its file, and nobody has written to it.
          if (part.p_type != PT_LOAD || (part.p_flags & (PF_X | PF_W)) != PF_X) continue;
          const auto begin = (object->dlpi_addr + part.p_vaddr) & ~(page - 1);
          const auto end = object->dlpi_addr + part.p_vaddr + part.p_memsz;
          // NOLINTNEXTLINE(performance-no-int-to-ptr): where the loader put it
          (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
        }
        return 0;
      },
      nullptr);
}

}  // namespace

int supervisor_main() {
  Descriptor report(kSupervisorReportFd);
  Descriptor order_file(kSupervisorOrderFd);
  Descriptor lifeline(kSupervisorLifelineFd);
  for (const int fd : {kSupervisorReportFd, kSupervisorOrderFd, kSupervisorLifelineFd}) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  // What leaves the job's process group and loses its own parent is still found.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  outlive_requests();
  std::filesystem::path status;
  ProcessId program;
  try {
    const auto order = read_order(order_file.get());
    status = order.status;
    program = start_process(order.program);
  } catch (const Error& error) {
    say(report.get(),
        fmt::format("failed {}\n{}\n{}\n", to_string(error.code()), error.failure(), error.hint()));
    return 1;
  }
  say(report.get(), fmt::format("ok {} {}\n", program.pid, program.start_time));
  report.reset();
  order_file.reset();
  let_log_go();
  let_memory_go();
  const auto ended = wait_for_tree(program.pid, std::move(lifeline));
  if (ended) write_status(status, *ended);
  end_descendants();
  return 0;
}

}  // namespace cardswap
