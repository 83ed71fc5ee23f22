#pragma once

#include <dlfcn.h>

#include <memory>
#include <string>

#include "migrator/base/release_with.h"

namespace cardswap::cuda {

/// A shared library that is loaded at run time, and stays loaded as long as this lives. Functions
/// from find() must not be called after that.
class Library {
 public:
  Library() = default;
  /// Loads `name`. If that fails, this is false and ::dlerror() has the reason.
  explicit Library(const std::string& name)
      : handle_(::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) {}

  explicit operator bool() const { return handle_ != nullptr; }
  /// Sets `function` to the library's function of that name. False: it has no such function, and
  /// `function` is null. Not to be called when the library is not loaded.
  template <class Function>
  bool find(Function& function, const char* name) const {
    function = reinterpret_cast<Function>(::dlsym(handle_.get(), name));
    return function != nullptr;
  }

 private:
  std::unique_ptr<void, ReleaseWith<::dlclose>> handle_;
};

}  // namespace cardswap::cuda
