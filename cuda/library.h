#pragma once

#include <dlfcn.h>

#include <memory>
#include <string>

#include "migrator/base/release_with.h"

namespace cardswap::cuda {

/// A library of NVIDIA's that is looked for at run time, and stays loaded while this lives: what
/// find() gave is not to be called after it.
class Library {
 public:
  Library() = default;
  /// Loads `name`; where that fails, ::dlerror() says why.
  explicit Library(const std::string& name)
      : handle_(::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) {}

  explicit operator bool() const { return handle_ != nullptr; }
  /// Sets `function` to the library's of that name; to null, and false, where it has none.
  template <class Function>
  bool find(Function& function, const char* name) const {
    function = reinterpret_cast<Function>(::dlsym(handle_.get(), name));
    return function != nullptr;
  }

 private:
  std::unique_ptr<void, ReleaseWith<::dlclose>> handle_;
};

}  // namespace cardswap::cuda
