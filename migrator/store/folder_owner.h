#pragma once

#include <sys/types.h>

namespace cardswap::store {

/// Lets this thread work on files as the owner of `folder` does while it lives, if the process is
/// root's: what root makes in somebody's store, that user must be able to list and remove. Does
/// nothing for another user's process. To be destroyed on the thread that made it.
class AsFolderOwner {
 public:
  /// `folder`: a descriptor, used in the constructor only.
  explicit AsFolderOwner(int folder) noexcept;
  ~AsFolderOwner();
  AsFolderOwner(const AsFolderOwner&) = delete;
  AsFolderOwner& operator=(const AsFolderOwner&) = delete;

 private:
  bool is_other_ = false;
};

}  // namespace cardswap::store
