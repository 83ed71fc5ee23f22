#include "tests/support/fleet_certificates.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <stdexcept>

#include "agent/http/client.h"
#include "agent/security/identity.h"
#include "agent/security/pki.h"

namespace cardswap::test {
namespace {

tls::Files files_in(const std::filesystem::path& folder) {
  return {
      .certificate = folder / "tls.crt", .key = folder / "tls.key", .authority = folder / "ca.crt"};
}

}  // namespace

FleetCertificates::FleetCertificates() {
  const auto outcome = run({CARDSWAP, "pki", "init", dir().string()});
  if (outcome.exit_code != 0) throw std::runtime_error(outcome.err);
}

tls::Files FleetCertificates::issue(ApiRole role, const std::string& name,
                                    const std::vector<std::string>& hosts) const {
  std::vector<std::string> argv{CARDSWAP,       "pki",    "issue",
                                dir().string(), "--role", std::string(to_string(role)),
                                "--name",       name};
  for (const auto& host : hosts) argv.insert(argv.end(), {"--host", host});
  const auto outcome = run(argv);
  if (outcome.exit_code != 0) throw std::runtime_error(outcome.err);
  return files_in(dir() / name);
}

tls::Files FleetCertificates::issue_expired(ApiRole role, const std::string& name,
                                            const std::vector<std::string>& hosts) const {
  return files_in(pki::issue(dir(), {role, name, hosts, std::chrono::seconds(-60)}));
}

tls::Files FleetCertificates::authority_only() const {
  return {.certificate = {}, .key = {}, .authority = dir() / "ca.crt"};
}

std::vector<std::string> FleetCertificates::options(const tls::Files& files) {
  return {"--tls-cert", files.certificate.string(), "--tls-key", files.key.string(),
          "--tls-ca",   files.authority.string()};
}

HttpResponse ask_over_tls(const Host& host, const tls::Files& files, const HttpRequest& request,
                          const std::string& called) {
  boost::asio::io_context context;
  tls::Identity::use(context, tls::client_context(files));
  http::Request wanted;
  wanted.method = request.method;
  wanted.target = request.target;
  if (!request.body.empty()) wanted.body = boost::json::parse(request.body);
  wanted.headers = request.headers;
  auto answer = boost::asio::co_spawn(
      context,
      http::exchange(http::Endpoint::tcp(called, static_cast<std::uint16_t>(host.port())),
                     std::move(wanted)),
      boost::asio::use_future);
  context.run();
  const auto got = answer.get();
  HttpResponse result;
  result.status = got.status;
  if (got.body.is_object()) result.body = got.body.get_object();
  return result;
}

}  // namespace cardswap::test
