#include "migrator/store/named_objects.h"

#include <fmt/format.h>

#include "migrator/base/error.h"
#include "migrator/store/names.h"

namespace cardswap::store {
namespace {

template <class Decode>
auto decoded(Store& store, const std::string& name, std::uint64_t most, Decode decode) {
  const auto bytes = get_named(store, name, most);
  try {
    return decode(bytes);
  } catch (const Error& e) {
    throw e.within(name);
  }
}

}  // namespace

std::vector<std::byte> get_named(Store& store, const std::string& name, std::uint64_t most) {
  const auto id = id_in_name(name);
  if (!id) throw Error(Code::corrupt, fmt::format("{}: it is named after no bytes", name));
  auto bytes = get(store, name, most);
  if (id_of(bytes) != *id) {
    throw Error(Code::corrupt, fmt::format("{}: its bytes are not those of its name", name));
  }
  return bytes;
}

Node get_node(Store& store, const ObjectId& id) {
  return decoded(store, node_name(id), kNodeBytesMax,
                 [](std::span<const std::byte> bytes) { return decode_node(bytes); });
}

Manifest get_manifest(Store& store, const ObjectId& id) {
  return decoded(store, manifest_name(id), kManifestBytesMax,
                 [](std::span<const std::byte> bytes) { return decode_manifest(bytes); });
}

}  // namespace cardswap::store
