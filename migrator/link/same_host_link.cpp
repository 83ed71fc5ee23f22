#include "migrator/link/same_host_link.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"
#include "migrator/device/device.h"

namespace cardswap {
namespace {

constexpr std::uint8_t kMark = 0xE6;  // no message's number, no payload's kind, no seal's mark
enum Kind : std::uint8_t { kClaim, kAnswer, kOffer, kTaken, kMissed };

/// To offer a smaller payload costs more than to send it.
constexpr std::size_t kOfferedBytesMin = 32U << 10;
constexpr std::size_t kHeaderBytesMax = 64;
/// One ack for each payload would wake the sender too often. With too many payloads in one ack the
/// sender would have nothing to offer until it comes.
constexpr std::size_t kAcknowledgedAtOnce = 3;

bool is_ours(std::span<const std::byte> bytes) {
  return !bytes.empty() && std::to_integer<std::uint8_t>(bytes[0]) == kMark;
}

wire::WireWriter frame_of(Kind kind) { return std::move(wire::WireWriter().u8(kMark).u8(kind)); }

/// The number in the header of a payload that was offered and then came over the inner link.
std::uint64_t number_in(std::span<const std::byte> header) {
  wire::WireReader reader(header);
  (void)reader.u8();
  const auto number = reader.u64();
  reader.finish();
  return number;
}

}  // namespace

SameHostLink::SameHostLink(End end, LinkListener& link_listener, const MakeLink& make)
    : end_(end),
      proof_(std::make_unique<const Proof>(draw_proof())),
      link_listener_(link_listener) {
  link_ = make(*this);
  // If the inner link takes payloads in a GPU's memory, the kernel cannot read these.
  if (end == End::reads || !host_ || link_->direct_bytes_min(MemoryKind::cuda)) {
    reach_ = Reach::no;
  }
}

SameHostLink::~SameHostLink() = default;

// ---- the sender

void SameHostLink::send_control(LinkId to, std::vector<std::byte> message) {
  link_->send_control(to, std::move(message));
  if (reach_ == Reach::not_asked) ask();  // after the first message, which has the token
}

void SameHostLink::send_payload(LinkId to, std::vector<std::byte> header,
                                std::span<const std::byte> payload,
                                std::shared_ptr<const void> owner) {
  if (payload.size() < kOfferedBytesMin || reach_ != Reach::yes) {
    link_->send_payload(to, std::move(header), payload, std::move(owner));
    return;
  }
  const auto number = offered_++;
  offers_.emplace(number, Offer{payload, std::move(owner)});
  link_->send_control(to, std::move(frame_of(kOffer)
                                        .u64(number)
                                        .u64(reinterpret_cast<std::uintptr_t>(payload.data()))
                                        .u64(payload.size())
                                        .blob(header))
                              .take());
}

void SameHostLink::ask() {
  reach_ = Reach::asked;
  link_->send_control(kServer, std::move(frame_of(kClaim)
                                             .digest(*host_)
                                             .u32(static_cast<std::uint32_t>(::getpid()))
                                             .u64(reinterpret_cast<std::uintptr_t>(proof_->data()))
                                             .raw(*proof_))
                                   .take());
}

void SameHostLink::take_answer(std::uint8_t kind, std::span<const std::byte> fields) {
  wire::WireReader reader(fields);
  if (kind == kAnswer && reach_ == Reach::asked) {
    reach_ = reader.boolean() ? Reach::yes : Reach::no;
  } else if (kind == kTaken) {
    for (auto left = reader.count(sizeof(std::uint64_t)); left > 0; --left) {
      passed_by_memory_ += offers_.erase(reader.u64());
    }
  } else if (kind == kMissed) {
    miss(reader.u64());
  } else {
    throw Error(Code::bad_request, "a word about memory that nobody asked for");
  }
  reader.finish();
}

/// The kernel has refused a read. Later payloads are sent over the inner link at once.
void SameHostLink::miss(std::uint64_t number) {
  auto offer = offers_.extract(number);
  if (offer.empty()) throw Error(Code::bad_request, "a payload that was not offered was missed");
  reach_ = Reach::no;
  link_->send_payload(kServer, std::move(wire::WireWriter().u8(kMark).u64(number)).take(),
                      offer.mapped().payload, std::move(offer.mapped().owner));
}

// ---- the receiver

void SameHostLink::take_claim(LinkId peer, std::span<const std::byte> fields) {
  wire::WireReader reader(fields);
  const auto host = reader.digest();
  const auto pid = static_cast<std::int32_t>(reader.u32());
  const auto address = reader.u64();
  Proof said{};
  std::ranges::copy(reader.take(said.size()), said.begin());
  reader.finish();
  const PeerMemory memory(pid, address, said);
  const bool reached = host == host_ && memory.is_there();
  if (reached && !senders_.try_emplace(peer, Sender{memory, 0, {}, {}}).second) {
    throw Error(Code::bad_request, "a peer said twice which process it is");
  }
  link_->send_control(peer, std::move(frame_of(kAnswer).boolean(reached)).take());
}

void SameHostLink::take_offer(LinkId peer, std::span<const std::byte> fields) {
  wire::WireReader reader(fields);
  const auto number = reader.u64();
  const auto address = reader.u64();
  const auto bytes = reader.u64();
  const auto header = reader.blob(kHeaderBytesMax);
  reader.finish();
  auto& sender = sender_at(peer);
  if (number != sender.next++) {
    throw Error(Code::bad_request, "payloads are offered in another order than they are counted");
  }
  const auto memory = sender.memory;  // the listener may drop the peer
  const auto destination = link_listener_.reserve(peer, header, bytes);
  const bool read = destination.size() == bytes && memory.read(address, destination);
  if (!read) {
    sender_at(peer).missed.emplace(number,
                                   Sender::Landing{{header.begin(), header.end()}, destination});
    link_->send_control(peer, std::move(frame_of(kMissed).u64(number)).take());
    return;
  }
  ++passed_by_memory_;
  link_listener_.on_received(peer, header, bytes);
  const auto found = senders_.find(peer);
  if (found == senders_.end()) return;
  found->second.taken.push_back(number);
  if (found->second.taken.size() >= kAcknowledgedAtOnce) acknowledge_taken(peer, found->second);
}

void SameHostLink::acknowledge_taken(LinkId peer, Sender& sender) {
  if (sender.taken.empty()) return;
  auto frame = frame_of(kTaken);
  frame.u32(static_cast<std::uint32_t>(sender.taken.size()));
  for (const auto number : std::exchange(sender.taken, {})) frame.u64(number);
  link_->send_control(peer, std::move(frame).take());
}

SameHostLink::Sender& SameHostLink::sender_at(LinkId peer) {
  const auto found = senders_.find(peer);
  if (found == senders_.end()) {
    throw Error(Code::bad_request, "a payload in memory that is not known to be this peer's");
  }
  return found->second;
}

// ---- events

void SameHostLink::on_control(LinkId peer, std::span<const std::byte> message) {
  if (!is_ours(message)) {
    link_listener_.on_control(peer, message);
    return;
  }
  wire::WireReader reader(message.subspan(1));
  const auto kind = reader.u8();
  const auto fields = message.subspan(2);
  if (end_ == End::is_read) {
    take_answer(kind, fields);
    return;
  }
  if (link_listener_.admits() && !admitted_.contains(peer)) return;  // not admitted: ignored
  if (kind == kClaim) {
    take_claim(peer, fields);
  } else if (kind == kOffer) {
    take_offer(peer, fields);
  } else {
    throw Error(Code::bad_request, "a word about memory that only a receiver says");
  }
}

std::span<std::byte> SameHostLink::reserve(LinkId peer, std::span<const std::byte> header,
                                           std::size_t bytes) {
  if (!is_ours(header)) return link_listener_.reserve(peer, header, bytes);
  const auto& missed = sender_at(peer).missed;
  const auto found = missed.find(number_in(header));
  if (found == missed.end() || found->second.destination.size() != bytes) {
    throw Error(Code::bad_request, "a payload that was not missed");
  }
  return found->second.destination;
}

void SameHostLink::on_received(LinkId peer, std::span<const std::byte> header, std::size_t bytes) {
  if (!is_ours(header)) {
    link_listener_.on_received(peer, header, bytes);
    return;
  }
  const auto landed = sender_at(peer).missed.extract(number_in(header));
  if (landed.empty()) throw Error(Code::bad_request, "a payload landed twice");
  link_listener_.on_received(peer, landed.mapped().header, bytes);
}

void SameHostLink::on_lost(LinkId peer, std::string_view why) {
  forget(peer);
  link_listener_.on_lost(peer, why);
}

// ---- the link

void SameHostLink::wait(std::chrono::steady_clock::time_point deadline) {
  link_->wait(deadline);
  for (auto& [peer, sender] : senders_) acknowledge_taken(peer, sender);
}

void SameHostLink::admit(LinkId peer) {
  admitted_.insert(peer);
  link_->admit(peer);
}

void SameHostLink::drop(LinkId peer) {
  forget(peer);
  link_->drop(peer);
}

void SameHostLink::forget(LinkId peer) {
  admitted_.erase(peer);
  senders_.erase(peer);
  if (end_ == End::is_read) {
    reach_ = Reach::no;
    offers_.clear();
  }
}

}  // namespace cardswap
