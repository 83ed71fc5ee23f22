#include <algorithm>
#include <map>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/tensors/compare_snapshots.h"
#include "migrator/tensors/element_type.h"
#include "migrator/tensors/tensor_reader.h"
#include "migrator/tensors/tensor_table.h"

namespace cardswap::tensors {
namespace {

using store::SnapshotReader;
using store::TensorEntry;

constexpr std::uint64_t kPieceElements = 1U << 17;

/// One tensor of two snapshots, and how it is read.
class Comparison {
 public:
  Comparison(const SnapshotReader& before, const TensorEntry& a, const SnapshotReader& after,
             const TensorEntry& b)
      : before_(before),
        a_(a),
        after_(after),
        b_(b),
        a_width_(bytes_of(element_type(a.dtype))),
        b_width_(bytes_of(element_type(b.dtype))),
        a_reader_(before, a),
        b_reader_(after, b),
        sum_(element_type(a.dtype), element_type(b.dtype)) {}

  Difference run() {
    const auto elements = element_count(a_);
    if (!may_share_chunks()) {
      compare(0, elements);
    } else if (is_contiguous(a_)) {
      compare_by_chunks();
    } else if (is_every_chunk_shared(bytes_in_region(a_))) {
      sum_.add_equal(elements);
    } else {
      compare(0, elements);
    }
    return sum_.result();
  }

 private:
  /// Whether the same chunk of both has the same elements at the same places.
  [[nodiscard]] bool may_share_chunks() const {
    return a_.dtype == b_.dtype && a_.offset == b_.offset && a_.offset % a_width_ == 0 &&
           a_.strides == b_.strides && a_.sizes == b_.sizes &&
           before_.manifest().chunk_bytes == after_.manifest().chunk_bytes;
  }
  [[nodiscard]] bool is_shared(std::uint64_t chunk) const {
    return before_.chunk_id(a_.region, chunk) == after_.chunk_id(b_.region, chunk);
  }
  [[nodiscard]] bool is_every_chunk_shared(const ByteRange& range) const {
    const std::uint64_t chunk_bytes = before_.manifest().chunk_bytes;
    for (auto at = range.begin / chunk_bytes; at * chunk_bytes < range.end; ++at) {
      if (!is_shared(at)) return false;
    }
    return true;
  }

  void compare_by_chunks() {
    const std::uint64_t chunk_bytes = before_.manifest().chunk_bytes;
    const auto range = bytes_in_region(a_);
    for (auto at = range.begin; at < range.end;) {
      const auto chunk = at / chunk_bytes;
      const auto end = std::min(range.end, (chunk + 1) * chunk_bytes);
      const auto elements = (end - at) / a_width_;
      if (is_shared(chunk)) {
        sum_.add_equal(elements);
      } else {
        compare((at - range.begin) / a_width_, elements);
      }
      at = end;
    }
  }

  void compare(std::uint64_t first, std::uint64_t elements) {
    for (const auto end = first + elements; first < end;) {
      const auto some = std::min(end - first, kPieceElements);
      a_bytes_.resize(some * a_width_);
      b_bytes_.resize(some * b_width_);
      a_reader_.read(first * a_width_, a_bytes_);
      b_reader_.read(first * b_width_, b_bytes_);
      sum_.add(a_bytes_, b_bytes_);
      first += some;
    }
  }

  const SnapshotReader& before_;
  const TensorEntry& a_;
  const SnapshotReader& after_;
  const TensorEntry& b_;
  const std::size_t a_width_;
  const std::size_t b_width_;
  TensorReader a_reader_;
  TensorReader b_reader_;
  DifferenceSum sum_;
  std::vector<std::byte> a_bytes_;
  std::vector<std::byte> b_bytes_;
};

ComparedSide side_of(const TensorEntry& tensor) {
  return {tensor.dtype, tensor.sizes, size_in_bytes(tensor)};
}

ComparedTensor compared(const SnapshotReader& before, const TensorEntry& a,
                        const SnapshotReader& after, const TensorEntry& b) {
  ComparedTensor result{a.name, side_of(a), side_of(b), std::nullopt};
  if (element_count(a) != element_count(b)) return result;
  try {
    result.difference = Comparison(before, a, after, b).run();
  } catch (const Error& error) {
    throw error.within("tensor " + a.name);
  }
  return result;
}

bool comes_before(const ComparedTensor& a, const ComparedTensor& b) {
  if (a.difference.has_value() != b.difference.has_value()) return !a.difference;
  if (a.difference && a.difference->relative != b.difference->relative) {
    return a.difference->relative > b.difference->relative;
  }
  if (a.difference && a.difference->changed != b.difference->changed) {
    return a.difference->changed > b.difference->changed;
  }
  return a.name < b.name;
}

}  // namespace

std::vector<ComparedTensor> compare_tensors(const SnapshotReader& before,
                                            const SnapshotReader& after) {
  const auto old_tensors = listed_tensors(before.manifest());
  const auto new_tensors = listed_tensors(after.manifest());
  std::map<std::string_view, const TensorEntry*> missing;
  for (const auto& one : old_tensors) missing.emplace(one.entry.name, &one.entry);
  std::vector<ComparedTensor> all;
  for (const auto& one : new_tensors) {
    const auto former = missing.find(one.entry.name);
    const bool was_listed = former != missing.end();
    if (was_listed && !former->second->alias_of.empty() && !one.entry.alias_of.empty()) {
      missing.erase(former);  // the tensor with the same elements is compared
    } else if (!was_listed) {
      all.push_back({one.entry.name, std::nullopt, side_of(one.entry), std::nullopt});
    } else {
      all.push_back(compared(before, *former->second, after, one.entry));
      missing.erase(former);
    }
  }
  for (const auto& [name, tensor] : missing) {
    all.push_back({tensor->name, side_of(*tensor), std::nullopt, std::nullopt});
  }
  std::ranges::sort(all, comes_before);
  return all;
}

}  // namespace cardswap::tensors
