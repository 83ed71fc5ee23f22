#include "agent/criu/image_frames.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <functional>

#include "agent/base/time_limit.h"
#include "migrator/base/error.h"
#include "migrator/core/wire_reader.h"

namespace cardswap::criu {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kHeaderBytes = sizeof(std::uint32_t);
constexpr std::byte kReceipt{'k'};

void put_size(std::span<std::byte> at, std::uint32_t size) {
  for (unsigned i = 0; i < kHeaderBytes; ++i) at[i] = static_cast<std::byte>(size >> (8 * i));
}

/// Closes a socket, which ends waits for it.
std::function<void()> closing(asio::ip::tcp::socket& socket) {
  return [&socket] {
    boost::system::error_code ignored;
    socket.close(ignored);
  };
}

Error lost(const boost::system::error_code& error) {
  return {Code::link_lost,
          fmt::format("the connection that carries the process image broke: {}",
                      error == asio::error::operation_aborted ? "it was closed" : error.message())};
}

}  // namespace

asio::awaitable<void> read_all(asio::ip::tcp::socket& socket, std::span<std::byte> bytes,
                               std::chrono::milliseconds limit) {
  boost::system::error_code error;
  while (!bytes.empty()) {
    const TimeLimit stall(socket.get_executor(), limit, closing(socket));
    const auto got = co_await socket.async_read_some(
        asio::buffer(bytes.data(), bytes.size()), asio::redirect_error(asio::use_awaitable, error));
    if (error) throw lost(error);
    bytes = bytes.subspan(got);
  }
}

asio::awaitable<void> write_all(asio::ip::tcp::socket& socket, std::span<const std::byte> bytes,
                                std::chrono::milliseconds limit) {
  boost::system::error_code error;
  while (!bytes.empty()) {
    const TimeLimit stall(socket.get_executor(), limit, closing(socket));
    const auto put = co_await socket.async_write_some(
        asio::buffer(bytes.data(), bytes.size()), asio::redirect_error(asio::use_awaitable, error));
    if (error) throw lost(error);
    bytes = bytes.subspan(put);
  }
}

ImageFrames::ImageFrames(asio::ip::tcp::socket& socket, const std::string& key,
                         const CipherSalt& salt)
    : socket_(socket) {
  if (!key.empty()) cipher_.emplace(cipher_key_from(key), salt, Direction::source_to_target);
}

std::span<std::byte> ImageFrames::room() {
  buffer_.resize(kHeaderBytes + kBytesMax + Cipher::kTagBytes);
  return std::span(buffer_).subspan(kHeaderBytes, kBytesMax);
}

asio::awaitable<void> ImageFrames::send(std::size_t bytes) {
  auto body = std::span(buffer_).subspan(kHeaderBytes, bytes);
  if (cipher_) {
    body = std::span(buffer_).subspan(kHeaderBytes, bytes + Cipher::kTagBytes);
    cipher_->seal(Cipher::Kind::payload, number_++, {}, body);
  }
  put_size(buffer_, static_cast<std::uint32_t>(body.size()));
  co_await write_all(socket_, std::span(buffer_).first(kHeaderBytes + body.size()), kStallMax);
}

asio::awaitable<std::span<const std::byte>> ImageFrames::receive() {
  (void)room();
  const auto header = std::span(buffer_).first(kHeaderBytes);
  // Nothing comes before the source's process is frozen and dumped, however long that takes.
  const auto patience = number_ == 0 ? std::chrono::hours(24 * 366) : kStallMax;
  co_await read_all(socket_, header, patience);
  const auto size = wire::WireReader(header).u32();
  const auto least = cipher_ ? Cipher::kTagBytes : 0;
  if (size < least || size > kBytesMax + least) {
    throw Error(Code::bad_request, "a frame of a process image is longer than allowed");
  }
  const auto body = std::span(buffer_).subspan(kHeaderBytes, size);
  co_await read_all(socket_, body, kStallMax);
  const auto number = number_++;
  if (!cipher_) co_return body;
  co_return cipher_->open(Cipher::Kind::payload, number, {}, body);
}

asio::awaitable<void> ImageFrames::send_receipt() {
  const std::array receipt{kReceipt};
  co_await write_all(socket_, receipt, kStallMax);
}

asio::awaitable<void> ImageFrames::wait_for_receipt() {
  std::array<std::byte, 1> receipt{};
  co_await read_all(socket_, receipt, kStallMax);
  if (receipt[0] != kReceipt) throw Error(Code::bad_request, "the target's answer is none");
}

}  // namespace cardswap::criu
