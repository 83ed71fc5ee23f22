#pragma once

#include <cardswap/tracking.h>
#include <torch/types.h>

#include <string>
#include <vector>

#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"

/// A variable that holds a tensor, and may hold a different tensor or none after any step. The
/// region's name, "hidden/Float 512 B cpu", says which storage a standby must make, because a
/// standby gets the names first. Sizes and strides of the tensor are sent with the values. Training
/// thread only.
namespace cardswap::tensor_slot {

/// Appends the storage, or, for an undefined tensor, a region without bytes that says so.
void append(std::vector<TrackedRegion>& out, const std::string& name, const at::Tensor& tensor);
/// Makes `tensor` a tensor with a storage like the source's under `name`, from the source's region
/// `names`. Leaves it as it is if it has such a storage, if the source has the storage under
/// another name (shared storage), or if it is a parameter, whose identity an optimizer knows.
void adopt(const std::vector<std::string>& names, const std::string& name, at::Tensor& tensor);

/// Saves sizes, strides and offset. Throws std::invalid_argument for a tensor that is part of a
/// graph.
void save(wire::WireWriter& writer, const at::Tensor& tensor);
/// Restores what save() wrote. Throws std::invalid_argument, or LibTorch's c10::Error, if it does
/// not fit the tensor here.
void load(wire::WireReader& reader, at::Tensor& tensor);

/// The first of `names` that begins with `prefix`, whole; null: there is none. Points into `names`.
[[nodiscard]] const std::string* find(const std::vector<std::string>& names,
                                      const std::string& prefix);
/// Appends a region without bytes whose name carries `count`.
void append_count(std::vector<TrackedRegion>& out, const std::string& name, std::size_t count);
/// The count in the source's region name; -1: there is no such region. Throws std::invalid_argument
/// for a count over `max`, or for a name without a count.
[[nodiscard]] std::int64_t find_count(const std::vector<std::string>& names,
                                      const std::string& name, std::size_t max);

}  // namespace cardswap::tensor_slot
