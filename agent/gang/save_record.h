#pragma once

#include <spdlog/spdlog.h>

#include <optional>
#include <string>

#include "migrator/base/error.h"

namespace cardswap::gang {

/// Writes the record of a side of `gang` to disk, as handover::drive() wants it. Returns the disk's
/// error if it refuses; one of a record that is not `required` is logged too.
template <class Ports, class Durable>
[[nodiscard]] std::optional<Error> save_record(const std::string& gang, Ports& ports,
                                               const Durable& record, bool required) {
  try {
    ports.save(record);
  } catch (const Error& disk) {
    if (!required) spdlog::error("gang {}: {}", gang, disk.what());
    return disk;
  }
  return std::nullopt;
}

}  // namespace cardswap::gang
