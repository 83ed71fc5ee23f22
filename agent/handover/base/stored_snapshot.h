#pragma once

#include <cstdint>
#include <string>

#include "migrator/base/fields_of.h"

namespace cardswap {

/// What a keeper reports about the snapshot that it has published.
struct StoredSnapshot {
  std::uint64_t number = 0;  ///< among the job's snapshots in that store, from 1; 0: none published
  std::string manifest;      ///< the id of its manifest, in hexadecimal
  std::uint64_t new_bytes = 0;      ///< bytes of the state that the store did not have
  std::uint64_t written_bytes = 0;  ///< bytes of all objects that were written
  std::string tag_error;  ///< why it has not the tag that was asked for; empty: it has it, or none
  bool operator==(const StoredSnapshot&) const = default;
};

/// The fields under the names of the API.
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, StoredSnapshot>& m) {
  a.known("snapshot", m.number);
  a.known("manifest", m.manifest);
  a.known("new_bytes", m.new_bytes, m.number != 0);
  a.known("written_bytes", m.written_bytes, m.number != 0);
  a.known("tag_error", m.tag_error);
}

}  // namespace cardswap
