#include "agent/process/supervisor_order.h"

#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"

namespace cardswap {
namespace {

constexpr std::size_t kTextMax = 16U << 20;

}  // namespace

std::vector<std::byte> encode(const SupervisorOrder& order) {
  const auto& program = order.program;
  wire::WireWriter out;
  const auto count = [&](std::size_t items) { out.u32(static_cast<std::uint32_t>(items)); };
  out.string(order.status.native());
  count(program.argv.size());
  for (const auto& word : program.argv) out.string(word);
  count(program.env.size());
  for (const auto& [key, value] : program.env) out.string(key).string(value);
  out.string(program.cwd).string(program.log.native());
  out.boolean(program.dies_with_agent).boolean(program.no_new_privs);
  out.boolean(program.user.has_value());
  if (program.user) {
    out.string(program.user->name).string(program.user->home);
    out.u32(program.user->uid).u32(program.user->gid);
    count(program.user->groups.size());
    for (const auto group : program.user->groups) out.u32(group);
  }
  return std::move(out).take();
}

SupervisorOrder supervisor_order_from(std::span<const std::byte> bytes) {
  wire::WireReader in(bytes);
  SupervisorOrder order;
  auto& program = order.program;
  order.status = in.string(kTextMax);
  for (auto left = in.count(4); left > 0; --left) program.argv.push_back(in.string(kTextMax));
  for (auto left = in.count(8); left > 0; --left) {
    auto key = in.string(kTextMax);
    program.env[std::move(key)] = in.string(kTextMax);
  }
  program.cwd = in.string(kTextMax);
  program.log = in.string(kTextMax);
  program.dies_with_agent = in.boolean();
  program.no_new_privs = in.boolean();
  if (in.boolean()) {
    JobUser user;
    user.name = in.string(kTextMax);
    user.home = in.string(kTextMax);
    user.uid = in.u32();
    user.gid = in.u32();
    for (auto left = in.count(4); left > 0; --left) user.groups.push_back(in.u32());
    program.user = std::move(user);
  }
  in.finish();
  return order;
}

}  // namespace cardswap
