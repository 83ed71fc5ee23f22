#include "agent/security/pki.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <cstring>
#include <memory>

#include "agent/base/address.h"
#include "agent/base/path_trust.h"
#include "agent/base/replace_file.h"
#include "agent/security/openssl_handles.h"
#include "agent/security/tls_context.h"
#include "migrator/base/error.h"

namespace cardswap::pki {
namespace {

using tls::Certificate;
using tls::File;
using tls::Revocations;
using Key = std::unique_ptr<EVP_PKEY, ReleaseWith<EVP_PKEY_free>>;
using Serial = std::unique_ptr<BIGNUM, ReleaseWith<BN_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, ReleaseWith<X509_EXTENSION_free>>;
using Revocation = std::unique_ptr<X509_REVOKED, ReleaseWith<X509_REVOKED_free>>;
using Time = std::unique_ptr<ASN1_TIME, ReleaseWith<ASN1_TIME_free>>;

constexpr std::chrono::minutes kClocksMayDiffer{5};
constexpr int kSerialBits = 159;  // a positive number of at most 20 bytes
constexpr long kVersion3 = 2;

template <class Result>
Result must(Result result, const char* doing) {
  if (result) return result;
  throw Error(Code::internal, fmt::format("{}: {}", doing,
                                          ERR_reason_error_string(ERR_get_error()) != nullptr
                                              ? ERR_reason_error_string(ERR_peek_last_error())
                                              : "OpenSSL says no more"));
}

/// Creates a file: nothing is overwritten, and nobody else can read a key at any time.
File create(const std::filesystem::path& path, mode_t mode) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) {
    throw Error(errno == EEXIST ? Code::conflict : Code::io,
                fmt::format("{}: {}", path.string(), std::strerror(errno)),
                errno == EEXIST ? "nothing is overwritten; choose another folder or name" : "");
  }
  return File(must(BIO_new_fd(fd, BIO_CLOSE), "open a file"));
}

void write_key(const std::filesystem::path& path, EVP_PKEY* key) {
  const auto file = create(path, 0600);
  must(PEM_write_bio_PrivateKey(file.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
       "write a key");
}

void write_certificate(const std::filesystem::path& path, X509* certificate) {
  const auto file = create(path, 0644);
  must(PEM_write_bio_X509(file.get(), certificate) == 1, "write a certificate");
}

File open_file(const std::filesystem::path& path) {
  File file(BIO_new_file(path.c_str(), "r"));
  if (!file) {
    throw Error(Code::not_found, fmt::format("{} cannot be read", path.string()),
                "cardswap pki init DIR makes an authority, and cardswap pki issue certificates");
  }
  return file;
}

std::string pem_of(X509_CRL* list) {
  const File text(must(BIO_new(BIO_s_mem()), "make room for the list"));
  must(PEM_write_bio_X509_CRL(text.get(), list) == 1, "write the list");
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(text.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

void add(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(
      must(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()), "make an extension"));
  must(X509_add_ext(certificate, extension.get(), -1) == 1, "add an extension");
}

Key new_key() { return Key(must(EVP_EC_gen("P-256"), "make a key")); }

/// A new certificate without issuer, extensions and signature.
Certificate blank(const std::string& name, EVP_PKEY* key, std::chrono::seconds lifetime) {
  Certificate certificate(must(X509_new(), "make a certificate"));
  auto* raw = certificate.get();
  const Serial serial(must(BN_new(), "make a serial number"));
  must(BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1,
       "draw a serial number");
  must(BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(raw)) != nullptr,
       "set a serial number");
  X509_set_version(raw, kVersion3);
  const auto since = std::min<std::chrono::seconds>(-kClocksMayDiffer, lifetime * 2);
  must(X509_gmtime_adj(X509_getm_notBefore(raw), since.count()), "set a time");
  must(X509_gmtime_adj(X509_getm_notAfter(raw), lifetime.count()), "set a time");
  must(X509_set_pubkey(raw, key) == 1, "set a key");
  auto* subject = X509_get_subject_name(raw);
  const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());  // NOLINT
  must(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, text, -1, -1, 0) == 1,
       "set a name");
  return certificate;
}

/// Throws Error{refused} if another user may write or replace the folder or one above it.
void check_is_ours(const std::filesystem::path& dir) {
  const auto fault = untrusted_part_of(dir);
  if (fault.empty()) return;
  throw Error(
      Code::refused, fmt::format("the authority's folder {}: {}", dir.string(), fault),
      "keep the authority where only this user may write: chown it, chmod go-w, or move it");
}

/// Throws Error{refused} unless only this user may write there: others could put another authority
/// in its place.
void check_is_private(const std::filesystem::path& dir) {
  struct stat facts {};
  if (::lstat(dir.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode) || facts.st_uid != ::geteuid() ||
      (facts.st_mode & 022) != 0) {
    throw Error(Code::refused,
                fmt::format("{} is not a folder that only this user may write", dir.string()),
                fmt::format("chmod 0700 {}, or choose another folder", dir.string()));
  }
  check_is_ours(dir);
}

bool is_plain(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
         });
}

void make_dir(const std::filesystem::path& dir, bool must_be_new) {
  if (::mkdir(dir.c_str(), 0700) == 0) return;
  if (errno == EEXIST && !must_be_new) return;
  throw Error(errno == EEXIST ? Code::conflict : Code::io,
              fmt::format("{}: {}", dir.string(), std::strerror(errno)),
              errno == EEXIST ? "nothing is overwritten; choose another --name" : "");
}

/// "IP:10.0.0.2", "IP:fd00::2" or "DNS:gpu-b".
std::string alternative_name(const std::string& host) {
  const auto address = address_from(host, 0);
  if (!address || address->port != 0 || host.find('%') != std::string::npos) {
    throw Error(Code::bad_request, fmt::format("--host: '{}' is no host name or address", host),
                "give it without a port and without a zone, like gpu-b, 10.0.0.2 or fd00::2");
  }
  boost::system::error_code no_address;
  const auto ip = boost::asio::ip::make_address(address->host, no_address);
  return no_address ? "DNS:" + address->host : "IP:" + canonical_host(ip.to_string());
}

struct Authority {
  Certificate certificate;
  Key key;
};

Authority authority_in(const std::filesystem::path& dir) {
  std::error_code none;
  if (std::filesystem::exists(dir, none)) check_is_ours(dir);
  tls::check_private(dir / "ca.key");
  const auto ca_file = open_file(dir / "ca.crt");
  Certificate ca(PEM_read_bio_X509(ca_file.get(), nullptr, nullptr, nullptr));
  const auto key_file = open_file(dir / "ca.key");
  Key ca_key(PEM_read_bio_PrivateKey(key_file.get(), nullptr, nullptr, nullptr));
  if (!ca || !ca_key || X509_check_private_key(ca.get(), ca_key.get()) != 1) {
    throw Error(Code::corrupt, fmt::format("{} holds no authority", dir.string()),
                "ca.crt and ca.key must be what `cardswap pki init` made");
  }
  return {std::move(ca), std::move(ca_key)};
}

Time time_from_now(std::chrono::seconds time) {
  return Time(must(X509_gmtime_adj(nullptr, time.count()), "make a time"));
}

/// Copies the entries of a former list into the new one.
void keep_revoked(const std::filesystem::path& list, X509_CRL* into) {
  const File file(BIO_new_file(list.c_str(), "r"));
  if (!file) return;  // the first one
  const Revocations former(PEM_read_bio_X509_CRL(file.get(), nullptr, nullptr, nullptr));
  if (!former) {
    throw Error(Code::corrupt, fmt::format("{} is no list of revoked certificates", list.string()),
                "move it away; then revoke again what it held");
  }
  auto* entries = X509_CRL_get_REVOKED(former.get());
  for (int i = 0; entries != nullptr && i < sk_X509_REVOKED_num(entries); ++i) {
    Revocation copy(must(X509_REVOKED_dup(sk_X509_REVOKED_value(entries, i)), "copy an entry"));
    must(X509_CRL_add0_revoked(into, copy.get()) == 1, "add an entry");
    (void)copy.release();  // the list's now
  }
}

}  // namespace

void init(const std::filesystem::path& dir, std::chrono::seconds lifetime) {
  make_dir(dir, false);
  check_is_private(dir);
  const auto key = new_key();
  const auto certificate = blank("Cardswap fleet", key.get(), lifetime);
  auto* raw = certificate.get();
  X509_set_issuer_name(raw, X509_get_subject_name(raw));
  add(raw, raw, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add(raw, raw, NID_key_usage, "critical,keyCertSign,cRLSign");
  add(raw, raw, NID_subject_key_identifier, "hash");
  must(X509_sign(raw, key.get(), EVP_sha256()) > 0, "sign");
  write_key(dir / "ca.key", key.get());
  write_certificate(dir / "ca.crt", raw);
}

std::filesystem::path issue(const std::filesystem::path& dir, const CertificateRequest& wanted) {
  if (!is_plain(wanted.name)) {
    throw Error(Code::bad_request, fmt::format("--name: '{}' cannot be used", wanted.name),
                "1 to 64 letters, digits and . _ -, no dot in front");
  }
  if (wanted.role == ApiRole::agent && wanted.hosts.empty()) {
    throw Error(Code::bad_request, "an agent's certificate names the hosts that it is for",
                "give --host with every name and address by which others call it");
  }
  std::string names = "URI:cardswap://role/" + std::string(to_string(wanted.role));
  for (const auto& host : wanted.hosts) names += "," + alternative_name(host);

  const auto [ca, ca_key] = authority_in(dir);
  const auto key = new_key();
  const auto certificate = blank(wanted.name, key.get(), wanted.lifetime);
  auto* raw = certificate.get();
  X509_set_issuer_name(raw, X509_get_subject_name(ca.get()));
  add(raw, ca.get(), NID_basic_constraints, "critical,CA:FALSE");
  add(raw, ca.get(), NID_key_usage, "critical,digitalSignature");
  // Only an agent's certificate is for servers, so that nobody else can pose as an agent.
  add(raw, ca.get(), NID_ext_key_usage,
      wanted.role == ApiRole::agent ? "serverAuth,clientAuth" : "clientAuth");
  add(raw, ca.get(), NID_subject_key_identifier, "hash");
  add(raw, ca.get(), NID_authority_key_identifier, "keyid");
  add(raw, ca.get(), NID_subject_alt_name, names);
  must(X509_sign(raw, ca_key.get(), EVP_sha256()) > 0, "sign");

  const auto folder = dir / wanted.name;
  make_dir(folder, true);
  write_key(folder / "tls.key", key.get());
  write_certificate(folder / "tls.crt", raw);
  write_certificate(folder / "ca.crt", ca.get());
  return folder;
}

void revoke(const std::filesystem::path& dir, const std::string& name,
            std::chrono::seconds lifetime) {
  const auto [ca, ca_key] = authority_in(dir);
  const auto list = dir / "ca.crl";
  const Revocations made(must(X509_CRL_new(), "make a list"));
  auto* raw = made.get();
  X509_CRL_set_version(raw, 1);  // version 2
  X509_CRL_set_issuer_name(raw, X509_get_subject_name(ca.get()));
  X509_CRL_set1_lastUpdate(raw, time_from_now(-kClocksMayDiffer).get());
  X509_CRL_set1_nextUpdate(raw, time_from_now(lifetime).get());
  keep_revoked(list, raw);
  if (!name.empty()) {
    if (!is_plain(name) || !std::filesystem::exists(dir / name / "tls.crt")) {
      throw Error(Code::not_found,
                  fmt::format("--name: {} holds no certificate that was issued to '{}'",
                              dir.string(), name),
                  fmt::format("ls {} shows to whom; give one of these names", dir.string()));
    }
    const auto file = open_file(dir / name / "tls.crt");
    const Certificate certificate(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
    must(certificate != nullptr, "read the certificate");
    X509_REVOKED* known = nullptr;
    if (X509_CRL_get0_by_cert(raw, &known, certificate.get()) == 0) {
      Revocation entry(must(X509_REVOKED_new(), "make an entry"));
      X509_REVOKED_set_serialNumber(entry.get(), X509_get_serialNumber(certificate.get()));
      X509_REVOKED_set_revocationDate(entry.get(), time_from_now(std::chrono::seconds(0)).get());
      must(X509_CRL_add0_revoked(raw, entry.get()) == 1, "add an entry");
      (void)entry.release();  // the list's now
    }
  }
  X509_CRL_sort(raw);
  must(X509_CRL_sign(raw, ca_key.get(), EVP_sha256()) > 0, "sign");
  replace_file(list, pem_of(raw), {.mode = 0644});
}

}  // namespace cardswap::pki
