// A job's program of bad intent: its child waits until a file or folder that it has open is another
// one, and takes what it then gets. holds_file (file|folder) PATH FOUND (go-on|stop) PROGRAM...

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace {

std::string names_in(int folder) {
  std::string names;
  auto* entries = ::fdopendir(::dup(folder));
  while (const auto* entry = entries == nullptr ? nullptr : ::readdir(entries)) {
    names += std::string(entry->d_name) + "\n";
  }
  return names;
}

[[noreturn]] void wait_and_take(int held, int found, bool is_folder, bool stops_parent) {
  struct stat before {};
  ::fstat(held, &before);
  const auto parent = ::getppid();
  while (::getppid() == parent) {
    struct stat now {};
    ::fstat(held, &now);
    if (now.st_ino != before.st_ino) {
      if (stops_parent) ::kill(parent, SIGSTOP);
      const auto got = is_folder ? names_in(held) : std::string("another file\n");
      if (!is_folder) (void)!::pwrite(held, "taken", 5, 0);
      (void)!::write(found, got.data(), got.size());
      before = now;
    }
    (void)::poll(nullptr, 0, 2);
  }
  ::_exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) return 2;
  const bool is_folder = argv[1] == std::string("folder");
  const int held = ::open(argv[2], is_folder ? O_RDONLY | O_DIRECTORY : O_RDWR);
  const int found = ::open(argv[3], O_WRONLY | O_APPEND);
  if (held < 0 || found < 0) return 1;
  if (is_folder && ::chdir(argv[2]) != 0) return 1;
  if (::fork() == 0) wait_and_take(held, found, is_folder, argv[4] == std::string("stop"));
  ::execv(argv[5], argv + 5);
  return 1;
}
