#include "migrator/tensors/tensor_reader.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/tensors/element_type.h"

namespace cardswap::tensors {
namespace {

/// Copies the elements of a tensor into `out`, in the order of their indices. `range` has the
/// region's bytes from `begin` on.
void gather(const store::TensorEntry& tensor, std::span<const std::byte> range, std::uint64_t begin,
            std::span<std::byte> out) {
  const auto width = bytes_of(element_type(tensor.dtype));
  std::vector<std::uint64_t> index(tensor.sizes.size());
  // The place may run past the last element before an index begins again: it is a number only.
  std::uint64_t place = tensor.offset - begin;
  for (std::size_t at = 0; at < out.size(); at += width) {
    std::memcpy(out.data() + at, range.data() + place, width);
    for (std::size_t i = index.size(); i-- > 0;) {
      const auto step = static_cast<std::uint64_t>(tensor.strides[i]) * width;
      place += step;
      if (++index[i] < tensor.sizes[i]) break;
      place -= step * tensor.sizes[i];
      index[i] = 0;
    }
  }
}

/// A store may promise any size, and a process that takes too much is ended by the kernel.
void require_memory(std::uint64_t bytes) {
  const auto pages = ::sysconf(_SC_PHYS_PAGES);
  const auto page_bytes = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return;
  const auto most = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes) / 2;
  if (bytes <= most) return;
  throw Error(Code::no_memory,
              fmt::format("it is not contiguous, and its {} bytes do not fit into memory", bytes),
              "use a machine with more memory");
}

}  // namespace

RegionStream::RegionStream(const store::SnapshotReader& reader, RegionId region)
    : reader_(reader),
      region_(region),
      region_bytes_(reader.manifest().layout.regions().at(static_cast<std::size_t>(region)).bytes),
      chunk_bytes_(reader.manifest().chunk_bytes) {}

void RegionStream::read(std::uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    const auto index = offset / chunk_bytes_;
    const auto begin = index * chunk_bytes_;
    if (held_ != index && offset < region_bytes_) {
      held_.reset();  // a read that fails leaves the chunk unspecified
      chunk_.resize(std::min(chunk_bytes_, region_bytes_ - begin));
      reader_.read(compressor_, region_, begin, chunk_);
      held_ = index;
    }
    const auto skip = offset - begin;
    if (held_ != index || skip >= chunk_.size()) {
      return reader_.read(compressor_, region_, offset, into);  // past the end: it says so
    }
    const auto taken = std::min<std::uint64_t>(chunk_.size() - skip, into.size());
    std::memcpy(into.data(), chunk_.data() + skip, taken);
    into = into.subspan(taken);
    offset += taken;
  }
}

TensorReader::TensorReader(const store::SnapshotReader& reader, store::TensorEntry tensor)
    : tensor_(std::move(tensor)),
      bytes_(size_in_bytes(tensor_)),
      is_contiguous_(tensors::is_contiguous(tensor_)),
      region_(reader, tensor_.region) {}

void TensorReader::read(std::uint64_t offset, std::span<std::byte> into) {
  if (is_contiguous_) return region_.read(tensor_.offset + offset, into);
  if (!gathered_) {
    const auto place = bytes_in_region(tensor_);
    require_memory(place.bytes() + bytes_);
    std::vector<std::byte> range(place.bytes());
    region_.read(place.begin, range);
    std::vector<std::byte> elements(bytes_);
    gather(tensor_, range, place.begin, elements);
    gathered_ = std::move(elements);
  }
  if (!into.empty()) std::memcpy(into.data(), gathered_->data() + offset, into.size());
}

}  // namespace cardswap::tensors
