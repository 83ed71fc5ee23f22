#include "agent/cli/credentials.h"

#include <cstdlib>
#include <fstream>

#include "agent/security/tls_context.h"
#include "migrator/base/error.h"

namespace cardswap::cli {
namespace {

std::filesystem::path default_dir() {
  const char* chosen = std::getenv("CARDSWAP_TLS_DIR");  // NOLINT(concurrency-mt-unsafe)
  if (chosen != nullptr) return chosen;
  const char* config = std::getenv("XDG_CONFIG_HOME");  // NOLINT(concurrency-mt-unsafe)
  if (config != nullptr && *config != 0) return std::filesystem::path(config) / "cardswap";
  const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
  return home == nullptr ? "" : std::filesystem::path(home) / ".config/cardswap";
}

/// A user who names a folder wants TLS: without its files calls would be made without TLS.
void check_chosen(const std::filesystem::path& dir) {
  std::error_code none;
  if (std::filesystem::is_directory(dir, none)) return;
  throw Error(Code::bad_request, "CARDSWAP_TLS_DIR: there is no folder " + dir.string(),
              "give the folder that `cardswap pki issue` made, or unset CARDSWAP_TLS_DIR");
}

}  // namespace

void Credentials::complete() {
  token_was_chosen = !token_file.empty();
  const auto dir = default_dir();
  if (dir.empty()) return;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread
  if (std::getenv("CARDSWAP_TLS_DIR") != nullptr) check_chosen(dir);
  const auto there = [&](const char* name) {
    std::error_code none;
    return std::filesystem::exists(dir / name, none) ? dir / name : std::filesystem::path();
  };
  if (tls.authority.empty()) tls.authority = there("ca.crt");
  if (tls.certificate.empty() && tls.key.empty()) {
    tls.certificate = there("tls.crt");
    tls.key = there("tls.key");
  }
  if (token_file.empty()) token_file = there("token").string();
}

std::string Credentials::token() const {
  if (token_file.empty()) return {};
  tls::check_private(token_file);
  std::ifstream in(token_file);
  std::string token;
  if (!(in >> token)) {
    throw Error(Code::io, "there is no token in " + token_file, "it holds one word");
  }
  return token;
}

}  // namespace cardswap::cli
