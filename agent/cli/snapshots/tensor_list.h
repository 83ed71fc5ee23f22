#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>

#include "migrator/store/manifest.h"

namespace cardswap::cli {

/// Returns the tensors of a snapshot: name, dtype, shape, strides where they are not the usual
/// ones, bytes, region, offset in it, and the tensor with the same elements. Memory whose shape is
/// not known is an array. Throws as tensors::listed_tensors().
[[nodiscard]] boost::json::array tensor_list(const store::Manifest& manifest);
/// Returns `tensor_list` of a snapshot's answer as a table.
[[nodiscard]] std::string tensor_table_text(const boost::json::object& snapshot);

}  // namespace cardswap::cli
