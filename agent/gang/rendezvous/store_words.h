#pragma once

#include <cstddef>
#include <cstdint>

/// The numbers of the protocol that torch.distributed.TCPStore speaks with its server: the same in
/// torch 2.6 to 2.15. All integers are little-endian, as torch writes them on x86-64 and ARM; a
/// text and a value are a u64 size and that many bytes.
namespace cardswap::gang {

/// The first byte of a request.
enum class StoreQuery : std::uint8_t {
  validate,     ///< u32 magic; the first request of a connection
  set,          ///< key, value
  compare_set,  ///< key, expected value, value -> value
  get,          ///< key -> value
  add,          ///< key, i64 -> i64: the sum
  check,        ///< u64 count, keys -> u8 StoreCheck
  wait,         ///< u64 count, keys -> u8 StoreWait, once all are there
  count_keys,   ///< -> i64
  remove,       ///< key -> i64: how many there were
  append,       ///< key, value
  get_many,     ///< u64 count, keys -> values
  set_many,     ///< u64 count, (key, value)...
  cancel_wait,  ///< -> u8 StoreWait
  ping,         ///< u32 -> the same u32
};

/// The answer to `check`.
enum class StoreCheck : std::uint8_t { ready, not_ready };
/// The answer to `wait` and `cancel_wait`.
enum class StoreWait : std::uint8_t { over, cancelled };

inline constexpr std::uint32_t kStoreMagic = 0x3C85F7CE;

inline constexpr std::size_t kStoreKeyBytesMax = 8192;        ///< of a key, as torch has it
inline constexpr std::size_t kStoreValueBytesMax = 1U << 20;  ///< of a value
inline constexpr std::size_t kStoreKeysMax = 1U << 16;        ///< in one request, and in all
inline constexpr std::size_t kStoreBytesMax = 64U << 20;      ///< of all keys and values
inline constexpr std::size_t kStoreClientsMax = 16384;        ///< connections at a time, at most

}  // namespace cardswap::gang
