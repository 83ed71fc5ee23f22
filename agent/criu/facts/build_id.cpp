#include "agent/criu/facts/build_id.h"

#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <fstream>
#include <optional>
#include <vector>

namespace cardswap::criu {
namespace {

constexpr std::size_t kHeadersMax = 128;
constexpr std::size_t kBuildIdMax = 64;

template <class T>
std::optional<T> read(std::span<const std::byte> bytes, std::uint64_t offset) {
  if (offset > bytes.size() || sizeof(T) > bytes.size() - offset) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

std::string in_notes(std::span<const std::byte> notes) {
  const auto padded = [](std::uint32_t size) { return (std::size_t{size} + 3) & ~std::size_t{3}; };
  for (std::size_t at = 0;;) {
    const auto note = read<Elf64_Nhdr>(notes, at);
    if (!note) return {};
    at += sizeof(Elf64_Nhdr);
    const auto name_bytes = padded(note->n_namesz);
    const auto text_bytes = padded(note->n_descsz);
    if (name_bytes > notes.size() - at || text_bytes > notes.size() - at - name_bytes) return {};
    const bool is_gnu = note->n_namesz == 4 && std::memcmp(notes.data() + at, "GNU", 4) == 0;
    if (is_gnu && note->n_type == NT_GNU_BUILD_ID && note->n_descsz <= kBuildIdMax) {
      std::string id;
      for (const auto byte : notes.subspan(at + name_bytes, note->n_descsz)) {
        id += fmt::format("{:02x}", static_cast<unsigned>(byte));
      }
      return id;
    }
    at += name_bytes + text_bytes;
  }
}

}  // namespace

std::string build_id_in(std::span<const std::byte> beginning) {
  const auto header = read<Elf64_Ehdr>(beginning, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_phentsize != sizeof(Elf64_Phdr)) {
    return {};
  }
  for (std::size_t i = 0; i < std::min<std::size_t>(header->e_phnum, kHeadersMax); ++i) {
    if (header->e_phoff > beginning.size()) return {};
    const auto segment = read<Elf64_Phdr>(beginning, header->e_phoff + i * sizeof(Elf64_Phdr));
    if (!segment) return {};
    if (segment->p_type != PT_NOTE || segment->p_offset > beginning.size()) continue;
    const auto rest = beginning.subspan(segment->p_offset);
    auto id = in_notes(rest.first(std::min<std::size_t>(rest.size(), segment->p_filesz)));
    if (!id.empty()) return id;
  }
  return {};
}

std::string build_id_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<char> beginning(kBuildIdWithin);
  in.read(beginning.data(), static_cast<std::streamsize>(beginning.size()));
  beginning.resize(static_cast<std::size_t>(in.gcount()));
  return build_id_in(std::as_bytes(std::span(beginning)));
}

}  // namespace cardswap::criu
