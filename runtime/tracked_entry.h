#pragma once

#include <fmt/format.h>

#include <exception>
#include <memory>
#include <new>
#include <string>

#include "cardswap/tracking.h"
#include "migrator/base/error.h"

namespace cardswap {

/// A tracked thing: what the program calls it, and what knows its state.
struct TrackedEntry {
  std::string name;
  std::unique_ptr<TrackedState> state;
  const void* thing = nullptr;  ///< the program's object; none: not known
  std::string type;             ///< its, as typeid has it
};

/// Does something with a tracked thing's state: what a foreign exception says gets the name of the
/// thing that it comes from in front, and becomes an Error of this code and hint.
template <class Do>
void as_layout_error(const std::string& name, Do something, Code code = Code::layout_differs,
                   const char* hint = "both sides must run the same program") {
  try {
    something();
  } catch (const std::exception& error) {
    throw Error(code, fmt::format("'{}': {}", name, error.what()), hint);
  }
}

/// Looks at a program's own state: what it throws is its mistake, not a defect, and gets the name
/// of the thing too. An Error keeps its code and hint.
template <class Look>
void with_name(const std::string& name, Look look) {
  try {
    look();
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("'{}': {}", name, error.failure()), error.hint());
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(Code::refused, fmt::format("'{}': {}", name, error.what()));
  }
}

}  // namespace cardswap
