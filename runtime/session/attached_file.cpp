#include "runtime/session/attached_file.h"

#include <cardswap/session.h>
#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <span>

#include "migrator/base/error.h"
#include "migrator/core/attached_name.h"

namespace cardswap {

std::vector<std::byte> read_attached(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<char> read(kAttachedBytesMax + 1);
  in.read(read.data(), static_cast<std::streamsize>(read.size()));
  if (!in.eof() && in.fail()) {
    throw Error(Code::io, fmt::format("attach {}: it cannot be read", file.string()));
  }
  const auto size = static_cast<std::size_t>(in.gcount());
  if (size > kAttachedBytesMax) {
    throw Error(
        Code::bad_request,
        fmt::format("attach {}: it has more than {} bytes", file.string(), kAttachedBytesMax),
        "each snapshot has it, and each move sends it: attach small files");
  }
  const auto bytes = std::as_bytes(std::span(read).first(size));
  return {bytes.begin(), bytes.end()};
}

void Session::attach(std::string_view name, const std::filesystem::path& file) {
  if (!is_attachable_name(name)) {
    throw Error(Code::bad_request, fmt::format("'{}' cannot be the name of an attached file", name),
                "use letters, digits, '.', '_' and '-', a letter or digit first");
  }
  track_state(fmt::format("{}{}", kAttached, name),
              std::make_unique<AttachedFileState>(read_attached(file)));
}

}  // namespace cardswap
