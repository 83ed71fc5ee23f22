#include "migrator/store/checked_json.h"

#include <algorithm>
#include <string>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/object_id.h"

namespace cardswap::store {
namespace {

constexpr const char* kCheck = "check";

}  // namespace

std::vector<std::byte> checked_bytes(JsonObject object) {
  auto check = to_string(id_of(canonical_bytes(object)));
  object.push_back({kCheck, std::move(check)});
  return canonical_bytes(object);
}

void expect_checked(const Json& json) {
  auto object = json.object();
  const auto check = std::ranges::find(object, kCheck, &JsonMember::name);
  if (check == object.end()) return;
  const auto told = check->value.text();
  object.erase(check);
  if (told != to_string(id_of(canonical_bytes(std::move(object))))) {
    throw Error(Code::corrupt, "its bytes are not those that were written");
  }
}

}  // namespace cardswap::store
