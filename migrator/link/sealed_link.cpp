#include "migrator/link/sealed_link.h"

#include <algorithm>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/racy_read.h"
#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"
#include "migrator/device/device.h"

namespace cardswap {
namespace {

constexpr std::uint8_t kSealedMark = 0xE5;  // no message's number
constexpr std::size_t kControlAadBytes = 1 + sizeof(CipherSalt) + sizeof(std::uint64_t);
constexpr std::size_t kPayloadAadBytes = 1 + sizeof(std::uint64_t);
constexpr std::size_t kSealedBytesMax = (256U << 20) + Cipher::kTagBytes;
constexpr std::size_t kEarlyMax = 1024;

Direction reverse(Direction direction) {
  return direction == Direction::source_to_target ? Direction::target_to_source
                                                  : Direction::source_to_target;
}

bool is_sealed(std::span<const std::byte> frame) {
  return !frame.empty() && std::to_integer<std::uint8_t>(frame[0]) == kSealedMark;
}

/// The number of a payload, which stands in front of the engine's own header.
std::uint64_t payload_number(std::span<const std::byte> header) {
  wire::WireReader reader(header);
  if (reader.u8() != kSealedMark) {
    throw Error(Code::unauthorized, "a payload in the clear on a sealed link");
  }
  return reader.u64();
}

[[noreturn]] void repeated() {
  throw Error(Code::unauthorized, "a sealed message came twice",
              "somebody interferes with the data network");
}

}  // namespace

SealedLink::Peer::Peer(const CipherKey& key, const CipherSalt& own_salt, Direction direction)
    : salt(own_salt), outgoing(key, salt, direction), incoming(key, salt, reverse(direction)) {}

SealedLink::SealedLink(const CipherKey& key, Direction outgoing, ClearRefusal refusal,
                       LinkListener& link_listener, const MakeLink& make)
    : key_(key), outgoing_(outgoing), refusal_(std::move(refusal)), link_listener_(link_listener) {
  if (outgoing == Direction::source_to_target) {
    peers_.try_emplace(kServer, key_, random_salt(), outgoing_);
  }
  link_ = make(*this);
}

SealedLink::~SealedLink() = default;

SealedLink::Peer& SealedLink::at(LinkId id) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) {
    throw Error(Code::unauthorized, "a payload before anything that opens");
  }
  return found->second;
}

void SealedLink::send_control(LinkId to, std::vector<std::byte> message) {
  const auto found = peers_.find(to);
  if (found == peers_.end()) return;  // the peer is gone
  auto& peer = found->second;
  const auto number = peer.control_sent++;
  wire::WireWriter aad;
  aad.u8(kSealedMark);
  for (const auto byte : peer.salt) aad.u8(std::to_integer<std::uint8_t>(byte));
  aad.u64(number);
  auto frame = std::move(aad).take();
  frame.insert(frame.end(), message.begin(), message.end());
  frame.resize(frame.size() + Cipher::kTagBytes);
  const auto all = std::span(frame);
  peer.outgoing.seal(Cipher::Kind::control, number, all.first(kControlAadBytes),
                     all.subspan(kControlAadBytes));
  link_->send_control(to, std::move(frame));
}

void SealedLink::send_payload(LinkId to, std::vector<std::byte> header,
                              std::span<const std::byte> payload, std::shared_ptr<const void>) {
  const auto found = peers_.find(to);
  if (found == peers_.end()) return;  // the peer is gone
  auto& peer = found->second;
  const auto number = peer.payloads_sent++;
  auto aad = std::move(wire::WireWriter().u8(kSealedMark).u64(number)).take();
  aad.insert(aad.end(), header.begin(), header.end());
  // Copied before it is sealed: the program may write to the payload meanwhile, and the tag must
  // cover exactly the bytes that are encrypted.
  auto sealed = std::make_shared<std::vector<std::byte>>();
  sealed->reserve(payload.size() + Cipher::kTagBytes);
  {
    const RacyRead scope;
    sealed->assign(payload.begin(), payload.end());
  }
  sealed->resize(payload.size() + Cipher::kTagBytes);
  peer.outgoing.seal(Cipher::Kind::payload, number, aad, *sealed);
  const std::span<const std::byte> bytes(*sealed);
  link_->send_payload(to, std::move(aad), bytes, std::move(sealed));
}

/// The host's processor encrypts, so a payload must be in the host's memory.
std::optional<std::size_t> SealedLink::direct_bytes_min(MemoryKind kind) const {
  if (kind != MemoryKind::host) return std::nullopt;
  return 0;
}

void SealedLink::drop(LinkId peer) {
  forget(peer);
  link_->drop(peer);
}

void SealedLink::on_control(LinkId id, std::span<const std::byte> frame) {
  if (!is_sealed(frame)) {
    take_clear(id, frame);
    return;
  }
  wire::WireReader reader(frame);
  (void)reader.u8();
  CipherSalt salt{};
  std::ranges::copy(reader.take(salt.size()), salt.begin());
  const auto number = reader.u64();
  const auto aad = frame.first(kControlAadBytes);
  const auto sealed = frame.subspan(kControlAadBytes);
  const auto known = peers_.find(id);
  if (known != peers_.end()) {
    if (known->second.salt != salt) throw Error(Code::unauthorized, "a message of another link");
    take_control(id, known->second, number, aad, sealed);
    return;
  }
  // The first message of a peer. A message recorded from another connection is refused as one that
  // was sealed with a wrong key is.
  if (salts_.contains(salt)) {
    refuse(id);
    return;
  }
  Peer fresh(key_, salt, outgoing_);
  std::vector<std::byte> data(sealed.begin(), sealed.end());
  try {
    (void)fresh.incoming.open(Cipher::Kind::control, number, aad, data);
  } catch (const Error&) {
    refuse(id);
    return;
  }
  salts_.insert(salt);
  auto& peer = peers_.emplace(id, std::move(fresh)).first->second;
  take_control(id, peer, number, aad, sealed);
}

void SealedLink::take_control(LinkId id, Peer& peer, std::uint64_t number,
                              std::span<const std::byte> aad, std::span<const std::byte> sealed) {
  if (number < peer.control_due || peer.early.contains(number)) repeated();
  if (peer.early.size() >= kEarlyMax) {
    throw Error(Code::bad_request, "a control message is missing on a sealed link");
  }
  std::vector<std::byte> data(sealed.begin(), sealed.end());
  const auto opened = peer.incoming.open(Cipher::Kind::control, number, aad, data);
  data.resize(opened.size());
  peer.has_spoken = true;
  peer.early.emplace(number, std::move(data));
  while (true) {
    const auto found = peers_.find(id);  // an event may have dropped it
    if (found == peers_.end()) return;
    auto next = found->second.early.extract(found->second.control_due);
    if (next.empty()) return;
    ++found->second.control_due;
    link_listener_.on_control(id, next.mapped());
  }
}

/// A message in the clear proves nothing about its sender. At most it says that the other side has
/// another key.
void SealedLink::take_clear(LinkId id, std::span<const std::byte> message) {
  if (outgoing_ == Direction::target_to_source) {
    if (peers_.contains(id)) throw Error(Code::unauthorized, "a message in the clear");
    refuse(id);
    return;
  }
  if (at(id).has_spoken || !refusal_.is_one(message)) {
    throw Error(Code::unauthorized, "a message in the clear on a sealed link");
  }
  link_listener_.on_control(id, message);
}

void SealedLink::refuse(LinkId id) { link_->send_control(id, refusal_.message); }

std::span<std::byte> SealedLink::reserve(LinkId id, std::span<const std::byte> header,
                                         std::size_t bytes) {
  auto& peer = at(id);
  const auto number = payload_number(header);
  if (bytes < Cipher::kTagBytes || bytes > kSealedBytesMax) {
    throw Error(Code::bad_request, "a sealed payload of an impossible size");
  }
  if (number < peer.payload_due || peer.landed.contains(number) || peer.landing.contains(number)) {
    repeated();
  }
  if (peer.landing.size() >= kEarlyMax || peer.landed.size() >= kEarlyMax) {
    throw Error(Code::bad_request, "a payload is missing on a sealed link");
  }
  return peer.landing.emplace(number, std::vector<std::byte>(bytes)).first->second;
}

void SealedLink::on_received(LinkId id, std::span<const std::byte> header, std::size_t) {
  auto& peer = at(id);
  const auto number = payload_number(header);
  auto arrived = peer.landing.extract(number);
  if (arrived.empty()) throw Error(Code::bad_request, "a payload that nobody expected");
  const auto opened = peer.incoming.open(Cipher::Kind::payload, number, header, arrived.mapped());
  peer.landed.insert(number);
  while (peer.landed.erase(peer.payload_due) != 0) ++peer.payload_due;
  const auto own_header = header.subspan(kPayloadAadBytes);
  std::ranges::copy(opened, link_listener_.reserve(id, own_header, opened.size()).begin());
  link_listener_.on_received(id, own_header, opened.size());
}

void SealedLink::forget(LinkId id) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  abandoned_.merge(found->second.landing);
  peers_.erase(found);
}

void SealedLink::on_lost(LinkId peer, std::string_view why) {
  if (outgoing_ == Direction::target_to_source) forget(peer);
  link_listener_.on_lost(peer, why);
}

}  // namespace cardswap
