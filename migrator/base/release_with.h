#pragma once

namespace cardswap {

/// The deleter of a C library's handle, for a unique_ptr one pointer wide:
///
///     using Certificate = std::unique_ptr<X509, ReleaseWith<X509_free>>;
template <auto Release>
struct ReleaseWith {
  void operator()(auto* handle) const noexcept { Release(handle); }
};

}  // namespace cardswap
