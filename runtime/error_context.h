#pragma once

#include <fmt/format.h>

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap {

/// Calls `something`. Every std::exception from it, an Error included, becomes an Error of `code`
/// and `hint`, with the thing's name in front.
template <class Do>
void as_error(const std::string& name, Code code, const char* hint, Do something) {
  try {
    something();
  } catch (const std::exception& error) {
    throw Error(code, fmt::format("'{}': {}", name, error.what()), hint);
  }
}

/// Loads or adopts a source's state by `something`: as_error() with Code::layout_differs.
template <class Do>
void as_layout_error(const std::string& name, Do something) {
  as_error(name, Code::layout_differs, "both sides must run the same program",
           std::move(something));
}

/// Reads a program's own state by `look`. An Error from it keeps its code and hint and gets the
/// thing's name in front; std::bad_alloc passes; any other std::exception becomes Error{refused},
/// because it is a mistake of the program.
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
