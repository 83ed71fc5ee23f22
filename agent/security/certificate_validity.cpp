#include "agent/security/certificate_validity.h"

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "agent/security/openssl_handles.h"

namespace cardswap::tls {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kProvenFor{10};
constexpr std::int64_t kDay = 24 * 60 * 60;
constexpr std::int64_t kSoon = 7 * kDay;

void free_chain(STACK_OF(X509) * chain) noexcept { sk_X509_pop_free(chain, X509_free); }

using Chain = std::unique_ptr<STACK_OF(X509), ReleaseWith<free_chain>>;
using Verification = std::unique_ptr<X509_STORE_CTX, ReleaseWith<X509_STORE_CTX_free>>;

bool lasts(const X509* certificate) {
  return X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

std::optional<std::int64_t> unix_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return ::timegm(&parts);
}

/// The ends of all items that `next` reads from the file, in their order.
template <class Next>
std::vector<std::int64_t> ends_in(const std::filesystem::path& file, Next next) {
  std::vector<std::int64_t> ends;
  const File in(BIO_new_file(file.c_str(), "r"));
  for (bool more = in != nullptr; more;) {
    const ASN1_TIME* end = nullptr;
    const auto holder = next(in.get(), end);
    more = holder != nullptr;
    if (const auto at = unix_time(end)) ends.push_back(*at);
  }
  return ends;
}

Certificate next_certificate(BIO* file, const ASN1_TIME*& end) {
  Certificate found(PEM_read_bio_X509(file, nullptr, nullptr, nullptr));
  if (found) end = X509_get0_notAfter(found.get());
  return found;
}

Revocations next_list(BIO* file, const ASN1_TIME*& end) {
  Revocations found(PEM_read_bio_X509_CRL(file, nullptr, nullptr, nullptr));
  if (found) end = X509_CRL_get0_nextUpdate(found.get());
  return found;
}

std::string named(const Ending& ending) {
  return fmt::format("{} {}",
                     ending.what == "certificate" ? "the certificate"
                     : ending.what == "authority" ? "the authority's certificate"
                                                  : "the list of revoked certificates",
                     ending.file.string());
}

}  // namespace

struct PeerCertificate::Shown {
  Certificate certificate;
  Chain chain;
};

PeerCertificate::PeerCertificate(SSL* ssl, Context context)
    : shown_(std::make_unique<Shown>()), proven_by_(std::move(context)), proven_at_(Clock::now()) {
  shown_->certificate.reset(SSL_get1_peer_certificate(ssl));
  if (auto* chain = SSL_get_peer_cert_chain(ssl)) shown_->chain.reset(X509_chain_up_ref(chain));
}
PeerCertificate::~PeerCertificate() = default;
PeerCertificate::PeerCertificate(PeerCertificate&&) noexcept = default;

std::string PeerCertificate::fault(const Context& now) {
  auto* certificate = shown_->certificate.get();
  if (certificate == nullptr) return {};
  if (!lasts(certificate)) return X509_verify_cert_error_string(X509_V_ERR_CERT_HAS_EXPIRED);
  if (now == proven_by_ && Clock::now() - proven_at_ < kProvenFor) return {};
  const Verification verification(X509_STORE_CTX_new());
  auto* store = SSL_CTX_get_cert_store(now->native_handle());
  if (!verification ||
      X509_STORE_CTX_init(verification.get(), store, certificate, shown_->chain.get()) != 1 ||
      X509_STORE_CTX_set_default(verification.get(), "ssl_client") != 1) {
    return "it could not be verified again";
  }
  if (X509_verify_cert(verification.get()) != 1) {
    return X509_verify_cert_error_string(X509_STORE_CTX_get_error(verification.get()));
  }
  proven_by_ = now;
  proven_at_ = Clock::now();
  return {};
}

bool is_peer_still_valid(const SSL* ssl) {
  const auto* certificate = SSL_get0_peer_certificate(ssl);
  return certificate != nullptr && lasts(certificate);
}

std::vector<Ending> endings(const Files& files) {
  std::vector<Ending> found;
  // A certificate is valid only as long as those of its chain in the file.
  if (const auto ends = ends_in(files.certificate, next_certificate); !ends.empty()) {
    found.push_back(
        {"certificate", files.certificate, *std::min_element(ends.begin(), ends.end())});
  }
  // Of several authorities, the one that ends last is enough.
  if (const auto ends = ends_in(files.authority, next_certificate); !ends.empty()) {
    found.push_back({"authority", files.authority, *std::max_element(ends.begin(), ends.end())});
  }
  if (const auto ends = ends_in(files.revoked, next_list); !ends.empty()) {
    found.push_back({"revocations", files.revoked, *std::min_element(ends.begin(), ends.end())});
  }
  return found;
}

std::vector<std::string> ended(const std::vector<Ending>& endings, std::int64_t now_s) {
  std::vector<std::string> texts;
  for (const auto& ending : endings) {
    if (ending.at_s > now_s) continue;
    texts.push_back(
        fmt::format("{} has ended: nobody who connects anew is believed, or believes "
                    "this agent; replace it and reload",
                    named(ending)));
  }
  return texts;
}

std::vector<std::string> ends_soon(const std::vector<Ending>& endings, std::int64_t now_s) {
  std::vector<std::string> texts;
  for (const auto& ending : endings) {
    const auto left = ending.at_s - now_s;
    if (left <= 0 || left > kSoon) continue;
    texts.push_back(left >= kDay ? fmt::format("{} ends in {} days", named(ending), left / kDay)
                                 : fmt::format("{} ends in {} min", named(ending), left / 60));
  }
  return texts;
}

void log_ends(const std::vector<Ending>& endings) {
  const auto now_s = static_cast<std::int64_t>(std::time(nullptr));
  for (const auto& text : ended(endings, now_s)) spdlog::error("{}", text);
  for (const auto& text : ends_soon(endings, now_s)) spdlog::warn("{}", text);
}

}  // namespace cardswap::tls
