#include "migrator/core/notes.h"

#include "migrator/base/utf8.h"

namespace cardswap {

bool may_be_noted(const Notes& notes, const std::string& name) {
  if (name.empty() || name.size() > kNoteNameBytesMax || !is_utf8(name)) return false;
  return notes.size() < kNotesMax || notes.contains(name);
}

}  // namespace cardswap
