#pragma once

#include <cardswap/tracking.h>
#include <torch/types.h>

#include <string>
#include <vector>

#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"

/// A variable that holds a tensor: another one, or none, after any step. What a standby must make
/// to hold it is in its region's name, "hidden/Float 512 B cpu", because names are what a standby
/// learns first; how the tensor lies in that storage goes with the values. Training thread only.
namespace cardswap::tensor_slot {

/// Appends the storage, or a region without bytes that says that there is no tensor.
void append(std::vector<TrackedRegion>& out, const std::string& name, const at::Tensor& tensor);
/// Makes `tensor` one of the storage that the source has under `name`. Leaves it alone if it is
/// one, if the source has it under the name of something else (shared storage), and if it is a
/// parameter, which an optimizer knows by its identity.
void adopt(const std::vector<std::string>& names, const std::string& name, at::Tensor& tensor);

/// Throws std::invalid_argument for a tensor that is part of a graph.
void save(wire::WireWriter& writer, const at::Tensor& tensor);
/// Throws std::invalid_argument where the storage is not that of the tensor that was saved.
void load(wire::WireReader& reader, at::Tensor& tensor);

/// What follows `prefix` in the one of `names` that begins with it; none: the source has none.
[[nodiscard]] const std::string* find(const std::vector<std::string>& names,
                                      const std::string& prefix);
/// A region without bytes, whose name says `count`; and the count that the source's says, or -1.
/// Throws std::invalid_argument for one over `max`.
void append_count(std::vector<TrackedRegion>& out, const std::string& name, std::size_t count);
[[nodiscard]] std::int64_t find_count(const std::vector<std::string>& names,
                                      const std::string& name, std::size_t max);

}  // namespace cardswap::tensor_slot
