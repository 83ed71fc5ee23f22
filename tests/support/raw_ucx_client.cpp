#include "tests/support/raw_ucx_client.h"

#include "tests/support/sanitizer.h"

namespace cardswap::test {

using Clock = std::chrono::steady_clock;

RawUcxClient::RawUcxClient(std::uint16_t port)
    : link_(connect_bare_link("127.0.0.1", port, {}, *this)) {}

void RawUcxClient::say(std::vector<std::byte> control) {
  link_->send_control(kServer, std::move(control));
}

void RawUcxClient::send_chunk(std::vector<std::byte> header, std::size_t bytes) {
  payload_.assign(bytes, std::byte{0xee});
  link_->send_payload(kServer, std::move(header), payload_);
}

bool RawUcxClient::is_turned_away_within(std::chrono::milliseconds limit) {
  const auto until = Clock::now() + limit * kPatience;
  while (!lost_ && !refusal_ && Clock::now() < until) link_->wait(until);
  return lost_ || refusal_.has_value();
}

void RawUcxClient::on_control(LinkId, std::span<const std::byte> message) {
  auto decoded = data::decode(message);
  if (auto* refuse = std::get_if<data::Refused>(&decoded)) refusal_ = std::move(*refuse);
}

std::span<std::byte> RawUcxClient::reserve(LinkId, std::span<const std::byte>, std::size_t) {
  throw Error(Code::bad_request, "a stranger takes no chunks");
}

}  // namespace cardswap::test
