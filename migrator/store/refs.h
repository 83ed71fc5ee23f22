#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "migrator/store/object_id.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// A ref, tag or intent is at most so long.
inline constexpr std::size_t kRefBytesMost = 64U << 10;

/// The commit of a snapshot: it exists once there is its ref, and not before. `seq` counts a job's
/// snapshots over all branches, and is what orders them; a step may come twice.
struct Ref {
  std::string job;
  std::uint64_t seq = 0;  ///< from 1 on
  ObjectId manifest;
  std::string branch = "main";
  std::uint64_t step = 0;
  std::uint64_t epoch = 0;
  bool operator==(const Ref&) const = default;
};

[[nodiscard]] std::vector<std::byte> encode_ref(const Ref& ref);
/// Reads a ref; canonical JSON as a manifest's. Throws Error{corrupt}.
[[nodiscard]] Ref decode_ref(std::span<const std::byte> bytes);

/// An object that is not what it should be, in words for people.
struct Damage {
  std::string object;
  std::string what;
  bool operator==(const Damage&) const = default;
};

/// A job's refs as they are in a store.
struct RefList {
  std::vector<Ref> refs;  ///< readable ones, by `seq`
  std::vector<Damage> damaged;
  std::uint64_t last_seq = 0;  ///< of all, also damaged ones
};

/// Reads a job's refs. One that is damaged is named in the answer and passed over; so is one that
/// holds another job's name or number. Those that a prune has put into trash are left out.
[[nodiscard]] RefList refs_of(Store& store, const std::string& job);
/// The names of jobs that have refs.
[[nodiscard]] std::vector<std::string> jobs_in(Store& store);

/// A snapshot's name for people.
struct Tag {
  std::string name;
  std::uint64_t seq = 0;  ///< of the ref
  bool operator==(const Tag&) const = default;
};

/// Gives the snapshot `seq` the tag, which it may take from another.
void put_tag(Store& store, const std::string& job, const Tag& tag);
/// A job's tags, each where it is now.
[[nodiscard]] std::vector<Tag> tags_of(Store& store, const std::string& job);

/// Claims `epoch` of the job for `writer`, which names itself in the object. `exists`: somebody has
/// it, or a higher one.
[[nodiscard]] Put take_fence(Store& store, const std::string& job, std::uint64_t epoch,
                             const std::string& writer);
/// The highest epoch that somebody claimed; none: nobody did.
[[nodiscard]] std::optional<std::uint64_t> highest_fence(Store& store, const std::string& job);

}  // namespace cardswap::store
