#pragma once

#include <openssl/bio.h>
#include <openssl/x509.h>

#include <memory>

#include "migrator/base/release_with.h"

/// Owning pointers of OpenSSL's objects, for the files of this folder.
namespace cardswap::tls {

using File = std::unique_ptr<BIO, ReleaseWith<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, ReleaseWith<X509_free>>;
using Revocations = std::unique_ptr<X509_CRL, ReleaseWith<X509_CRL_free>>;

}  // namespace cardswap::tls
