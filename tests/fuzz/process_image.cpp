/// What comes with a process: the manifest of its image, CRIU's answers, /proc's texts and what it
/// needs of another host.

#include <boost/json.hpp>

#include "agent/criu/facts/build_id.h"
#include "agent/criu/facts/proc_text.h"
#include "agent/criu/host_match.h"
#include "agent/criu/image_manifest.h"
#include "agent/criu/init_program.h"
#include "agent/criu/rpc_message.h"
#include "agent/process/exit_status.h"
#include "tests/fuzz/seeds.h"

using namespace cardswap;

std::vector<std::vector<std::byte>> fuzz::seeds() {
  return {
      criu::encode(criu::ImageManifest{
          {{"core-1.img", 12}, {"pages-1.img", 4096}}, "socket:[4711]", {"/var/log/job"}, {7}}),
      criu::encode(criu::Call::dump, {.pid = 7, .images_dir = "/d", .log_file = "l"}),
      bytes_of("55d0-55e0 r-xp 00000000 fe:00 131 /opt/my trainer/gpt (deleted)\n"),
      bytes_of("   1: 0200000A:C001 0300000A:1538 01 0:0 00:0 0 0 0 12 1\n"),
      bytes_of("7 (a) b) S 1 2 3 34816\n"),
      bytes_of("Name:\tgpt\nTracerPid:\t0\nflags\t: avx2 fma\n"),
      bytes_of("init 12\nok 34\n"),
      bytes_of("signal 9\n"),
      bytes_of(
          R"({"cpu_features":["avx"],"files":[{"path":"/x","use":"read","bytes":1,"build_id":""}],"gpus":[{"uuid":"GPU-1","model":"X"}]})")};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::view(data, size);
  const auto said = fuzz::text(data, size);
  fuzz::expect_error_or_nothing([&] { (void)criu::decode_manifest(bytes); });
  fuzz::expect_error_or_nothing([&] { (void)criu::decode_response(bytes); });
  fuzz::expect_error_or_nothing([&] {
    boost::system::error_code no_json;
    const auto value = boost::json::parse(said, no_json);
    if (!no_json && value.is_object()) (void)criu::needs_from_json(value.get_object());
  });
  (void)criu::build_id_in(bytes);
  (void)criu::parse_maps(said);
  (void)criu::parse_status(said);
  (void)criu::tty_in_stat(said);
  (void)criu::parse_inet_sockets(said, true);
  (void)criu::cpu_features(said);
  (void)criu::errors_in_log(said);
  (void)criu::parse_report(said);
  (void)parse_exit_status(said);
  return 0;
}
