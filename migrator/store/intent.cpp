#include "migrator/store/intent.h"

#include <fmt/format.h>

#include "migrator/base/error.h"
#include "migrator/store/json.h"
#include "migrator/store/names.h"

namespace cardswap::store {

Intent::Intent(Store& store, const std::string& job, const std::string& owner)
    : store_(store), name_(intent_name(job, owner)) {
  const JsonObject words{{"format", std::uint64_t{1}}, {"job", job}, {"who", owner}};
  put_ = store_.put_new(name_, canonical_bytes(words)) == PutResult::created;
  if (!put_) throw Error(Code::conflict, fmt::format("{}: another intent has this name", name_));
}

Intent::~Intent() {
  try {
    if (put_) store_.remove(name_);
  } catch (...) {  // it holds trash up until somebody removes it, and harms nothing
  }
}

bool Intent::is_there() const { return store_.size_of(name_).has_value(); }

void Intent::end() {
  store_.remove(name_);
  put_ = false;
}

}  // namespace cardswap::store
