#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cardswap {

/// How many bytes a trainer may take for the copy of its state from which a snapshot is sent:
/// CARDSWAP_SNAPSHOT_MEMORY, or else a quarter of what is free (free_memory()). 0: none.
[[nodiscard]] std::uint64_t snapshot_memory();

/// A size as the variable has it: bytes, or with KiB, MiB, GiB behind them. Nullopt: it is none.
[[nodiscard]] std::optional<std::uint64_t> memory_size_in(std::string_view text);

}  // namespace cardswap
