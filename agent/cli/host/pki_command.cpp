#include <fmt/format.h>

#include <iostream>
#include <memory>

#include "agent/cli/command_context.h"
#include "agent/security/pki.h"

namespace cardswap::cli {
namespace {

using Days = std::chrono::duration<int, std::ratio<86400>>;

struct PkiOptions {
  std::string dir;
  std::string role;
  std::string name;
  std::vector<std::string> hosts;
  int authority_days = 3650;
  int days = 365;
};

Exit init(const Context& context, const PkiOptions& options) {
  pki::init(options.dir, Days(options.authority_days));
  if (!context.quiet) {
    std::cout << fmt::format(
        "{0}/ca.crt  the fleet's authority, valid for {1} days\n"
        "{0}/ca.key  its key: keep it off the hosts, whoever has it is everybody\n"
        "next: cardswap pki issue {0} --role agent --name HOST --host HOST --host ADDRESS\n",
        options.dir, options.authority_days);
  }
  return Exit::done;
}

Exit issue(const Context& context, const PkiOptions& options) {
  const auto role = role_from_string(options.role);
  if (!role) {
    throw Error(Code::bad_request, fmt::format("--role: '{}' is no role", options.role),
                "use agent, operator or viewer");
  }
  const auto folder =
      pki::issue(options.dir, {*role, options.name, options.hosts, Days(options.days)}).string();
  if (context.quiet) return Exit::done;
  std::cout << fmt::format("{}/ca.crt tls.crt tls.key  for {} {}, valid for {} days\n", folder,
                           options.role, options.name, options.days);
  if (*role == ApiRole::agent) {
    std::cout << fmt::format(
        "copy the folder to {0}:/etc/cardswap/tls, owned by the agent's user, tls.key with mode "
        "0600, and start it with\n"
        "  cardswapd --listen ADDRESS:7070 --job-user NAME --tls-cert "
        "/etc/cardswap/tls/tls.crt --tls-key /etc/cardswap/tls/tls.key --tls-ca "
        "/etc/cardswap/tls/ca.crt\n",
        options.name);
  } else {
    std::cout << fmt::format(
        "copy the three files to ~/.config/cardswap of {}, tls.key with mode 0600; the cardswap "
        "command finds them there\n",
        options.name);
  }
  return Exit::done;
}

Exit revoke(const Context& context, const PkiOptions& options) {
  pki::revoke(options.dir, options.name, Days(options.authority_days));
  if (!context.quiet) {
    std::cout << fmt::format(
        "{}/ca.crl  what is revoked, valid for {} days\n"
        "copy it to every agent, started with --tls-crl FILE, and reload it: systemctl reload "
        "cardswapd\n",
        options.dir, options.authority_days);
  }
  return Exit::done;
}

}  // namespace

void add_pki_commands(CLI::App& app, Context& context, Run& run) {
  auto options = std::make_shared<PkiOptions>();
  auto* pki = app.add_subcommand("pki", "Make the certificates of a fleet");
  pki->require_subcommand(1);
  auto* make = pki->add_subcommand("init", "Make an authority in a folder");
  make->add_option("dir", options->dir, "Folder to make it in")->required();
  make->add_option("--days", options->authority_days, "Validity")
      ->capture_default_str()
      ->check(CLI::Range(1, 36500));
  make->callback(
      [&context, &run, options] { run = [&context, options] { return init(context, *options); }; });
  auto* give = pki->add_subcommand("issue", "Make a certificate and its key");
  give->add_option("dir", options->dir, "Folder of the authority")->required();
  give->add_option("--role", options->role, "agent, operator or viewer")->required();
  give->add_option("--name", options->name, "Of the host or the person")->required();
  give->add_option("--host", options->hosts, "Name or address of an agent; may be repeated")
      ->allow_extra_args(false);
  give->add_option("--days", options->days, "Validity")
      ->capture_default_str()
      ->check(CLI::Range(1, 36500));
  auto* take = pki->add_subcommand("revoke", "Make a certificate count no more");
  take->add_option("dir", options->dir, "Folder of the authority")->required();
  take->add_option("--name", options->name,
                   "Whose certificate in that folder; without it the list is only made anew");
  take->add_option("--days", options->authority_days, "Validity of the list")
      ->capture_default_str()
      ->check(CLI::Range(1, 36500));
  take->callback([&context, &run, options] {
    run = [&context, options] { return revoke(context, *options); };
  });
  give->callback([&context, &run, options] {
    run = [&context, options] { return issue(context, *options); };
  });
}

}  // namespace cardswap::cli
