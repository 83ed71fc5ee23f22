#include "tests/support/served_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace cardswap::test {
namespace {

constexpr std::uint64_t kFile = 2;  // its inode; the root's is 1

/// Answers FUSE requests for a file system with one file, whose attributes are asked for each time.
class Server {
 public:
  Server(int device, int caught) : device_(device), caught_(caught) {}

  [[noreturn]] void serve() {
    std::vector<char> request(1 << 18);
    while (::read(device_, request.data(), request.size()) > 0) {
      fuse_in_header header{};
      std::memcpy(&header, request.data(), sizeof(header));
      answer(header);
    }
    ::_exit(0);
  }

 private:
  void answer(const fuse_in_header& asked) {
    switch (asked.opcode) {
      case FUSE_INIT: {
        fuse_init_out out{};
        out.major = FUSE_KERNEL_VERSION;
        out.minor = FUSE_KERNEL_MINOR_VERSION;
        out.max_readahead = out.max_write = 4096;
        return reply(asked, out);
      }
      case FUSE_LOOKUP: {
        fuse_entry_out out{};
        out.nodeid = kFile;
        out.entry_valid = 1000;
        out.attr = attributes(kFile);
        return reply(asked, out);
      }
      case FUSE_GETATTR: {
        fuse_attr_out out{};
        out.attr = attributes(asked.nodeid);
        return reply(asked, out);
      }
      case FUSE_OPEN: {
        fuse_open_out out{};
        out.open_flags = ++opened_ == 2 ? FOPEN_DIRECT_IO : 0;
        return reply(asked, out);
      }
      case FUSE_READ: return reply(asked, std::array<char, 4096>{});
      case FUSE_WRITE: (void)!::write(caught_, "y", 1); return;  // and never answers it
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT: return;
      default: return refuse(asked);
    }
  }
  static fuse_attr attributes(std::uint64_t inode) {
    fuse_attr about{};
    about.ino = inode;
    about.mode = inode == kFile ? S_IFREG | 0666 : S_IFDIR | 0755;
    about.nlink = 1;
    about.size = ServedFolder::kFileBytes;
    about.blksize = 4096;
    return about;
  }
  template <class Out>
  void reply(const fuse_in_header& asked, Out out) const {
    fuse_out_header header{sizeof(header) + sizeof(out), 0, asked.unique};
    const std::array<iovec, 2> parts{iovec{&header, sizeof(header)}, iovec{&out, sizeof(out)}};
    (void)!::writev(device_, parts.data(), parts.size());
  }
  void refuse(const fuse_in_header& asked) const {
    const fuse_out_header header{sizeof(header), -ENOSYS, asked.unique};
    (void)!::write(device_, &header, sizeof(header));
  }

  int device_;
  int caught_;
  int opened_ = 0;
};

}  // namespace

ServedFolder::ServedFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "served-folder-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  folder_ = name;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  written_.reset(ends[0]);
  const Descriptor tell(ends[1]);
  const Descriptor device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  const auto options =
      fmt::format("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.get());
  if (!device ||
      ::mount("served", name.c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    return;
  }
  server_ = ::fork();
  if (server_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    Server(device.get(), tell.get()).serve();
  }
}

ServedFolder::~ServedFolder() {
  end();
  std::error_code ignored;
  std::filesystem::remove(folder_, ignored);
}

void ServedFolder::end() {
  if (server_ <= 0) return;
  ::kill(server_, SIGKILL);
  (void)::waitpid(server_, nullptr, 0);
  ::umount2(folder_.c_str(), MNT_DETACH);
  server_ = 0;
}

void ServedFolder::fall_silent() const { ::kill(server_, SIGSTOP); }

bool ServedFolder::keeps_a_write_within(std::chrono::milliseconds time) const {
  char said = 0;
  pollfd waits{written_.get(), POLLIN, 0};
  return ::poll(&waits, 1, static_cast<int>(time.count())) == 1 &&
         ::read(written_.get(), &said, 1) == 1;
}

std::optional<std::string> ServedFolder::missing() {
  if (::geteuid() != 0) return "only root can mount here";
  if (!ServedFolder().is_served()) return "no file system can be served here (/dev/fuse)";
  return std::nullopt;
}

}  // namespace cardswap::test
