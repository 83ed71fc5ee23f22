#include "agent/security/tls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/base/address.h"
#include "agent/base/path_trust.h"
#include "agent/base/validate.h"
#include "agent/security/openssl_handles.h"
#include "migrator/base/error.h"

namespace cardswap::tls {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

constexpr std::string_view kRoleUri = "cardswap://role/";

void must(const error_code& error, const std::filesystem::path& file, const char* what) {
  if (!error) return;
  throw Error(Code::io, fmt::format("{} {}: {}", what, file.string(), error.message()),
              "make a working set with `cardswap pki`");
}

/// The authorities among the certificates of `file`.
void add_authorities(const std::filesystem::path& file, std::vector<Certificate>& into) {
  const File in(BIO_new_file(file.c_str(), "r"));
  while (in) {
    Certificate found(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!found) break;
    if (X509_check_ca(found.get()) != 0) into.push_back(std::move(found));
  }
}

bool signed_by(X509_CRL* list, X509* authority) {
  return X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(authority)) == 0 &&
         X509_CRL_verify(list, X509_get0_pubkey(authority)) == 1;
}

/// With the list of another authority no certificate could be verified, and all callers would be
/// refused.
void check_lists_are_the_authoritys(const Files& files) {
  std::vector<Certificate> authorities;
  add_authorities(files.authority, authorities);
  add_authorities(files.certificate, authorities);  // those between it and the first one
  const File in(BIO_new_file(files.revoked.c_str(), "r"));
  bool good = true;
  while (in && good) {
    const Revocations list(PEM_read_bio_X509_CRL(in.get(), nullptr, nullptr, nullptr));
    if (!list) break;
    good = std::ranges::any_of(
        authorities, [&](const Certificate& each) { return signed_by(list.get(), each.get()); });
  }
  ERR_clear_error();  // the end of a file is one
  if (good) return;
  throw Error(Code::refused,
              fmt::format("the list of revoked certificates {} is not signed by the authority {}",
                          files.revoked.string(), files.authority.string()),
              "give the list that `cardswap pki revoke` made in this authority's folder");
}

/// Each of these files decides whom this process trusts, or who it is for others.
void check_files_are_ours(const Files& files) {
  check_own_file("the certificate of the authority", files.authority);
  check_own_file("the certificate", files.certificate);
  check_own_file("the list of revoked certificates", files.revoked);
}

void refuse_revoked(ssl::context& context, const std::filesystem::path& list) {
  auto* store = SSL_CTX_get_cert_store(context.native_handle());
  auto* lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
  if (lookup == nullptr || X509_load_crl_file(lookup, list.c_str(), X509_FILETYPE_PEM) < 1) {
    throw Error(Code::io, fmt::format("{} holds no list of revoked certificates", list.string()),
                "`cardswap pki revoke` makes one");
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
}

Context context_of(ssl::context::method method, const Files& files) {
  auto context = std::make_shared<ssl::context>(method);
  check_files_are_ours(files);
  error_code error;
  context->load_verify_file(files.authority.string(), error);
  must(error, files.authority, "the certificate of the authority");
  if (!files.revoked.empty()) {
    refuse_revoked(*context, files.revoked);
    check_lists_are_the_authoritys(files);
  }
  if (!files.certificate.empty() || !files.key.empty()) {
    check_private(files.key);
    context->use_certificate_chain_file(files.certificate.string(), error);
    must(error, files.certificate, "the certificate");
    context->use_private_key_file(files.key.string(), ssl::context::pem, error);
    must(error, files.key, "the key (of that certificate)");
  }
  auto* raw = context->native_handle();
  SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION);
  // No resumption: each connection makes a full handshake, so that an expired certificate is
  // noticed.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  return context;
}

std::string_view bytes_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),  // NOLINT: OpenSSL's bytes
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

/// The address as text; empty if it is neither of IPv4 nor of IPv6.
std::string address_of(std::string_view bytes) {
  boost::asio::ip::address_v4::bytes_type v4{};
  boost::asio::ip::address_v6::bytes_type v6{};
  if (bytes.size() == v4.size()) {
    std::memcpy(v4.data(), bytes.data(), v4.size());
    return boost::asio::ip::make_address_v4(v4).to_string();
  }
  if (bytes.size() != v6.size()) return {};
  std::memcpy(v6.data(), bytes.data(), v6.size());
  return boost::asio::ip::make_address_v6(v6).to_string();
}

/// The common name; empty if there is none or more than one, or if it may not be a part of a log
/// line.
std::string name_in(X509* certificate) {
  const auto* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return {};
  unsigned char* utf8 = nullptr;
  const auto* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
  const int size = ASN1_STRING_to_UTF8(&utf8, value);
  if (size < 0) return {};
  std::string name(reinterpret_cast<const char*>(utf8),  // NOLINT: OpenSSL's bytes
                   static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return validate::is_line(name, validate::kWordMax) ? name : std::string();
}

}  // namespace

void check_private(const std::filesystem::path& file) {
  struct stat facts {};
  if (::stat(file.c_str(), &facts) != 0) {
    throw Error(Code::io, fmt::format("the key {}: {}", file.string(), std::strerror(errno)),
                "make a working set with `cardswap pki`");
  }
  check_own_file("the key", file);
  if ((facts.st_mode & 077) != 0) {
    throw Error(
        Code::refused,
        fmt::format("others than its owner can read the key {} (mode {:04o})", file.string(),
                    facts.st_mode & 07777),
        fmt::format("chmod 0600 {}; if it was readable for long, issue a new one", file.string()));
  }
}

Context server_context(const Files& files, bool certificate_required) {
  if (files.certificate.empty() || files.key.empty() || files.authority.empty()) {
    throw Error(Code::bad_request, "--tls-cert, --tls-key and --tls-ca belong together",
                "give all three; `cardswap pki issue` makes them");
  }
  auto context = context_of(ssl::context::tlsv13_server, files);
  context->set_verify_mode(ssl::verify_peer |
                           (certificate_required ? ssl::verify_fail_if_no_peer_cert : 0));
  return context;
}

Context client_context(const Files& files) {
  if (files.authority.empty() || files.certificate.empty() != files.key.empty()) {
    throw Error(Code::bad_request,
                "TLS needs the authority's certificate, and a certificate comes with its key",
                "give --tls-ca, and both of --tls-cert and --tls-key or neither");
  }
  auto context = context_of(ssl::context::tlsv13_client, files);
  context->set_verify_mode(ssl::verify_peer);
  return context;
}

void expect_host(SSL* ssl, const std::string& host) {
  auto* param = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  error_code no_address;
  (void)boost::asio::ip::make_address(host, no_address);
  // A certificate has addresses without zones.
  const auto address = canonical_host(without_zone(host));
  const bool set = no_address ? X509_VERIFY_PARAM_set1_host(param, host.c_str(), 0) == 1
                              : X509_VERIFY_PARAM_set1_ip_asc(param, address.c_str()) == 1;
  if (!set) throw Error(Code::bad_request, fmt::format("'{}' is no host name or address", host));
  std::string name = host;  // copied there; SSL_set_tlsext_host_name() casts const away
  if (no_address) {
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
  }
}

std::string failure_of(SSL* ssl, const std::string& otherwise) {
  const auto result = SSL_get_verify_result(ssl);
  return result == X509_V_OK ? otherwise : X509_verify_cert_error_string(result);
}

Caller peer_of(const SSL* ssl) {
  Caller caller{.name = "nobody", .role = {}, .owner = false};
  auto* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return caller;
  const auto name = name_in(certificate);
  if (!name.empty()) caller.name = name;
  const std::unique_ptr<GENERAL_NAMES, ReleaseWith<GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  int roles = 0;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto* item = sk_GENERAL_NAME_value(names.get(), i);
    if (item->type == GEN_DNS) caller.hosts.emplace_back(bytes_of(item->d.dNSName));
    if (item->type == GEN_IPADD) {
      if (auto host = address_of(bytes_of(item->d.iPAddress)); !host.empty()) {
        caller.hosts.push_back(std::move(host));
      }
    }
    if (item->type != GEN_URI) continue;
    const auto uri = bytes_of(item->d.uniformResourceIdentifier);
    if (!uri.starts_with(kRoleUri)) continue;
    ++roles;
    caller.role = role_from_string(uri.substr(kRoleUri.size()));
  }
  const bool nameless = caller.role == ApiRole::agent && name.empty();
  if (roles != 1 || nameless) caller.role.reset();
  return caller;
}

std::string own_name(const Context& context) {
  if (!context) return {};
  auto* certificate = SSL_CTX_get0_certificate(context->native_handle());
  return certificate == nullptr ? std::string() : name_in(certificate);
}

}  // namespace cardswap::tls
