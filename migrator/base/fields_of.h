#pragma once

#include <type_traits>

namespace cardswap {

/// The type by which a list of fields takes its struct: not const for an archive that reads into
/// the struct, const for one that writes it.
///
///     template <class Archive>
///     void fields(Archive& a, FieldsOf<Archive, Frozen>& m) { a(m.migration, m.step); }
template <class Archive, class Struct>
using FieldsOf = std::conditional_t<Archive::kReads, Struct, const Struct>;

}  // namespace cardswap
