#pragma once

#include <type_traits>

namespace cardswap {

/// A struct as its list of fields takes it: one that an archive reads into can be changed, one that
/// it writes cannot.
///
///     template <class Archive>
///     void fields(Archive& a, Of<Archive, Frozen>& m) { a(m.migration, m.step); }
template <class Archive, class Struct>
using Of = std::conditional_t<Archive::kReads, Struct, const Struct>;

}  // namespace cardswap
