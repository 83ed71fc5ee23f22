#include "agent/criu/image_stream.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "agent/base/address.h"
#include "agent/base/resolve.h"
#include "agent/base/task_group.h"
#include "agent/base/time_limit.h"
#include "agent/criu/image_frames.h"
#include "agent/criu/image_room.h"
#include "migrator/base/error.h"
#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"

namespace cardswap::criu {
namespace {

using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kConnectMax{5};
void set_up(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
}

}  // namespace

ImageSender::ImageSender(asio::io_context& context) : socket_(context) {}
ImageSender::~ImageSender() = default;

asio::awaitable<void> ImageSender::connect(std::string host, std::uint16_t port, std::string token,
                                           std::string key) {
  const auto found = co_await resolve(host, port, Clock::now() + kConnectMax);
  auto error = found.error;
  if (!error) {
    const TimeLimit limit(socket_.get_executor(), kConnectMax, [this] { close(); });
    co_await asio::async_connect(socket_, found.endpoints,
                                 asio::redirect_error(asio::use_awaitable, error));
  }
  if (error) {
    throw Error(Code::unreachable,
                fmt::format("connect to {} for the process image: {}", Address{host, port}.text(),
                            error.message()),
                "the target's agent listens on its --data-host; look at firewalls between the "
                "hosts");
  }
  set_up(socket_);
  const auto salt = random_salt();
  frames_ = std::make_unique<ImageFrames>(socket_, key, salt);
  wire::WireWriter greeting;
  greeting.raw(std::as_bytes(std::span(kImageMagic)));
  token.resize(kImageTokenBytes);
  greeting.raw(std::as_bytes(std::span(token))).raw(salt);
  co_await write_all(socket_, greeting.bytes(), ImageFrames::kStallMax);
  co_await frames_->wait_for_receipt();
}

asio::awaitable<void> ImageSender::send(const ImageDir& images, const ImageManifest& manifest,
                                        std::uint64_t bytes_per_s_max) {
  const auto head = encode(manifest);
  if (head.size() > ImageFrames::kBytesMax) {
    throw Error(Code::refused, "the process image has too many files");
  }
  std::copy(head.begin(), head.end(), frames_->room().begin());
  co_await frames_->send(head.size());
  RateCap cap(bytes_per_s_max);
  for (const auto& file : manifest.files) {
    const auto from = images.open(file.name);
    for (std::uint64_t left = file.bytes; left > 0;) {
      if (const auto at = cap.ready_at(Clock::now()); at > Clock::now()) {
        co_await pause_for(at - Clock::now());
      }
      const auto room = frames_->room();
      const auto got = ::read(from.get(), room.data(), std::min<std::uint64_t>(room.size(), left));
      if (got <= 0) {
        throw Error(Code::io, fmt::format("read {} of the process image: {}", file.name,
                                          got == 0 ? "it ends too early" : std::strerror(errno)));
      }
      co_await frames_->send(static_cast<std::size_t>(got));
      cap.note_sent(static_cast<std::uint64_t>(got), Clock::now());
      left -= static_cast<std::uint64_t>(got);
    }
  }
  co_await frames_->wait_for_receipt();
}

void ImageSender::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

ImageReceiver::ImageReceiver(asio::io_context& context, const std::string& host, std::string token,
                             std::string key)
    : acceptor_(context),
      socket_(context),
      handshakes_(acceptor_, std::move(token)),
      key_(std::move(key)) {
  try {
    tcp::resolver resolver(context);
    const auto endpoint = resolver.resolve(host, "0")->endpoint();
    acceptor_.open(endpoint.protocol());
    acceptor_.bind(endpoint);
    acceptor_.listen();
  } catch (const boost::system::system_error& error) {
    throw Error(Code::io,
                fmt::format("listen on {} for a process image: {}", host, error.code().message()),
                "give an address of this host with --data-host");
  }
}
ImageReceiver::~ImageReceiver() = default;

std::uint16_t ImageReceiver::port() const { return acceptor_.local_endpoint().port(); }

asio::awaitable<ImageManifest> ImageReceiver::receive(const ImageDir& images) {
  auto known = co_await handshakes_.wait();
  socket_ = std::move(known.socket);
  frames_ = std::make_unique<ImageFrames>(socket_, key_, known.salt);
  acceptor_.close();
  set_up(socket_);
  co_await frames_->send_receipt();
  auto manifest = decode_manifest(co_await frames_->receive());
  const auto room = std::min(images.free_bytes(), image_room(ImageUse::restored));
  if (const auto why = why_no_room(manifest.total_bytes(), room, "here"); !why.empty()) {
    throw Error(Code::no_memory, why, "move it to another host, or end something on this one");
  }
  for (const auto& file : manifest.files) {
    const auto to = images.create(file.name);
    for (std::uint64_t left = file.bytes; left > 0;) {
      auto piece = co_await frames_->receive();
      if (piece.empty() || piece.size() > left) {
        throw Error(Code::bad_request, "a piece of a process image is not of its file's size");
      }
      left -= piece.size();
      while (!piece.empty()) {
        const auto put = ::write(to.get(), piece.data(), piece.size());
        if (put <= 0) {
          throw Error(Code::io,
                      fmt::format("keep the process image in memory: {}", std::strerror(errno)));
        }
        piece = piece.subspan(static_cast<std::size_t>(put));
      }
    }
  }
  co_await frames_->send_receipt();
  co_return manifest;
}

void ImageReceiver::close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  socket_.close(ignored);
}

}  // namespace cardswap::criu
