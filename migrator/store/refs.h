#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "migrator/store/object_id.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// The most bytes of a ref, tag or intent.
inline constexpr std::size_t kRefBytesMax = 64U << 10;

/// The commit of a snapshot: a snapshot exists if its ref exists. `number` counts a job's snapshots
/// over all branches and defines their order; two snapshots may have the same step. It is "seq" in
/// the object, and "snapshot" in what the command and the API answer.
struct Ref {
  std::string job;
  std::uint64_t number = 0;  ///< from 1 on
  ObjectId manifest;
  std::string branch = "main";
  std::uint64_t step = 0;
  std::uint64_t epoch = 0;
  std::string run = {};  ///< run_of() the job; empty: an earlier release wrote it
  bool operator==(const Ref&) const = default;
};

/// The name of a job's run in a store. Two runs of one name have two; a run keeps its own when it
/// moves and when it is recovered. It is made of the job's uid, and does not tell that, which not
/// everybody who may read a store is to know. Empty: `job_uid` is.
[[nodiscard]] std::string run_of(const std::string& job_uid);
/// Whether a snapshot may be of `run`: it is, or one of the two is empty, and so not known.
[[nodiscard]] bool is_of_run(const Ref& ref, const std::string& run);

[[nodiscard]] std::vector<std::byte> encode_ref(const Ref& ref);
/// Reads a ref, which is canonical JSON as a manifest is. Throws Error{corrupt}, and
/// Error{protocol_mismatch} when a newer release has written it in another format.
[[nodiscard]] Ref decode_ref(std::span<const std::byte> bytes);
/// Reads the object `name`. Throws what the store throws, what decode_ref() throws, and
/// Error{corrupt} when it is the ref of another job or another number.
[[nodiscard]] Ref get_ref(Store& store, const std::string& name);

/// An object that is damaged or missing.
struct Damage {
  /// The name of the object, or which part of a snapshot it is: "model/w chunk 3" or "values".
  std::string object;
  std::string what;  ///< for people
  bool operator==(const Damage&) const = default;
};

/// The refs of a job in a store.
struct RefList {
  std::vector<Ref> refs;  ///< readable ones, by `number`
  std::vector<Damage> damaged;
  std::uint64_t last_number = 0;  ///< the highest, also of damaged refs; 0: there is no ref
};

/// Reads a job's refs. A damaged ref, or one with the name of another job or another number, is
/// listed in `damaged` instead. Refs that a prune has put into trash are left out. This and the
/// functions below throw what the store throws, and Error{bad_request} when `job` is not a label.
/// This one also throws Error{corrupt, protocol_mismatch} if a batch in trash cannot be read.
[[nodiscard]] RefList refs_of(Store& store, const std::string& job);
/// The names of jobs that have refs.
[[nodiscard]] std::vector<std::string> jobs_in(Store& store);

/// A name that people give to a snapshot.
struct Tag {
  std::string name;
  std::uint64_t number = 0;  ///< of the ref
  bool operator==(const Tag&) const = default;
};

/// The tags of a job in a store.
struct TagList {
  std::vector<Tag> tags;  ///< by name
  std::vector<Damage> damaged;
};

/// Gives the tag to the snapshot `tag.number`; if another snapshot has the tag, it loses it. Throws
/// Error{bad_request} when `tag.name` is not a label.
void put_tag(Store& store, const std::string& job, const Tag& tag);
/// The tags of a job, each with the snapshot that has it now. A tag whose latest record is damaged
/// is in `damaged`, and not in `tags`: it is not known which snapshot has it.
[[nodiscard]] TagList tags_of(Store& store, const std::string& job);

}  // namespace cardswap::store
