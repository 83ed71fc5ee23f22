#include "migrator/store/folder_owner.h"

#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cardswap::store {

AsFolderOwner::AsFolderOwner(int folder) noexcept {
  struct stat status {};
  if (::geteuid() != 0 || ::fstat(folder, &status) != 0 || status.st_uid == 0) return;
  is_other_ = true;
  (void)::setfsgid(status.st_gid);  // first: the other user may not change it
  (void)::setfsuid(status.st_uid);
}

AsFolderOwner::~AsFolderOwner() {
  if (!is_other_) return;
  (void)::setfsuid(::geteuid());
  (void)::setfsgid(::getegid());
}

}  // namespace cardswap::store
