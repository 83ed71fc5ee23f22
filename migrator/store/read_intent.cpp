#include "migrator/store/read_intent.h"

#include <fmt/format.h>

#include <atomic>
#include <random>

#include "migrator/base/process_mark.h"
#include "migrator/store/names.h"

namespace cardswap::store {
namespace {

constexpr std::string_view kReader = "read-";

/// A name that no other reader has.
std::string fresh_owner() {
  static std::atomic<unsigned> count{0};
  auto mark = mark_of_this_process();
  if (mark.empty()) {  // nobody can know later whether it has ended
    std::random_device random;
    mark = fmt::format("x{:08x}{:08x}", random(), random());
  }
  return fmt::format("{}{}-{}", kReader, mark, ++count);
}

}  // namespace

ReadIntent::ReadIntent(Store& store, const std::string& job)
    : ReadIntent(store, job, fresh_owner()) {}

ReadIntent::ReadIntent(Store& store, const std::string& job, const std::string& owner) {
  const auto refs = refs_prefix(job);
  if (!is_reader(owner) || !is_label(owner)) {
    throw Error(Code::bad_request, fmt::format("'{}' is no reader's name", owner));
  }
  try {
    if (!store.list(refs, "", 1).empty()) intent_.emplace(store, job, owner);
  } catch (const Error& error) {
    failed_ = error;
  }
}

bool is_reader(std::string_view owner) { return owner.starts_with(kReader); }

bool has_reader_ended(std::string_view owner) {
  if (!is_reader(owner)) return false;
  const auto last = owner.rfind('-');
  if (last < kReader.size()) return false;
  return has_ended_for_certain(owner.substr(kReader.size(), last - kReader.size()));
}

}  // namespace cardswap::store
