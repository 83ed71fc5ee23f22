/// A sealed link's receiving side, at which somebody without the key throws frames.

#include <cstdlib>

#include "migrator/link/open_link.h"
#include "tests/fuzz/seeds.h"
#include "tests/support/no_link.h"

namespace {

using namespace cardswap;

/// An engine that may never be told anything: nobody here has the key.
struct NoEngine final : LinkListener {
  void on_control(LinkId, std::span<const std::byte>) override { std::abort(); }
  std::span<std::byte> reserve(LinkId, std::span<const std::byte>, std::size_t) override {
    std::abort();
  }
  void on_received(LinkId, std::span<const std::byte>, std::size_t) override { std::abort(); }
  void on_lost(LinkId, std::string_view) override {}
};

}  // namespace

std::vector<std::vector<std::byte>> cardswap::fuzz::seeds() {
  std::string frame(1 + 16 + 8 + 20 + 16, '\1');
  frame[0] = '\xE5';
  return {bytes_of(frame), bytes_of(frame.substr(0, 9)), bytes_of("\1plain")};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  NoEngine engine;
  LinkListener* line = nullptr;
  SealedLink link(cipher_key_from(std::string(64, '7')), Direction::target_to_source,
                  clear_refusal(), engine, [&](LinkListener& events) {
                    line = &events;
                    return std::make_unique<test::NoLink>();
                  });
  const auto bytes = fuzz::view(data, size);
  fuzz::expect_error_or_nothing([&] { line->on_control(LinkId{1}, bytes); });
  fuzz::expect_error_or_nothing([&] { (void)line->reserve(LinkId{1}, bytes, size); });
  fuzz::expect_error_or_nothing([&] { line->on_received(LinkId{1}, bytes, size); });
  return 0;
}
