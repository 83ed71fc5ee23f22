#include "migrator/store/branch_name.h"

#include <fmt/format.h>

#include <algorithm>

#include "migrator/base/error.h"
#include "migrator/store/names.h"

namespace cardswap::store {
namespace {

bool has_branch(const std::vector<Ref>& refs, const std::string& name) {
  return std::ranges::any_of(refs, [&](const Ref& ref) { return ref.branch == name; });
}

}  // namespace

std::string fresh_branch(const std::vector<Ref>& refs, std::uint64_t step) {
  const auto first = fmt::format("from-{}", step);
  auto name = first;
  for (int number = 2; has_branch(refs, name); ++number) name = fmt::format("{}-{}", first, number);
  return name;
}

std::string branch_after(const std::vector<Ref>& refs, const Ref& ref) {
  const bool is_newest = std::ranges::none_of(refs, [&](const Ref& other) {
    return other.branch == ref.branch && other.number > ref.number;
  });
  return is_newest ? ref.branch : fresh_branch(refs, ref.step);
}

void check_new_branch(const std::vector<Ref>& refs, const std::string& name) {
  if (!is_label(name)) {
    throw Error(Code::bad_request, fmt::format("'{}' is no name of a branch", name),
                "use up to 63 of a-z, 0-9, '.', '_' and '-', a letter or digit first");
  }
  if (!has_branch(refs, name)) return;
  throw Error(Code::conflict, fmt::format("there is a branch {} already", name),
              "choose another --branch, or leave it out; `cardswap history` lists them");
}

}  // namespace cardswap::store
