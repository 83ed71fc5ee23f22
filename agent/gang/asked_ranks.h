#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cardswap::gang {

/// Ranks of a job, as operators write them: "JOB/1", "JOB/0,2", "JOB/0-3,6".
struct AskedRanks {
  std::string job;
  std::vector<std::uint32_t> ranks;  ///< in the order in which they are named; each once
};
/// Reads them. Throws Error{bad_request}.
[[nodiscard]] AskedRanks asked_ranks(const std::string& text);
/// Writes them without spans, such as "JOB/0,2".
[[nodiscard]] std::string to_text(const AskedRanks& asked);

/// Where ranks go: a device for each, "HOST[:PORT]/DEVICE", or hosts over whose devices they are
/// placed, "HOST[:PORT]".
struct AskedPlaces {
  std::vector<std::string> places;
  bool are_devices = false;
};
/// Reads the destinations of `ranks` ranks, separated by commas. Throws Error{bad_request} where
/// devices and hosts are mixed, or where there is not one device for each rank.
[[nodiscard]] AskedPlaces asked_places(const std::string& text, std::size_t ranks);

/// Sorts the ranks, each with its device, if those are named.
void sort_by_rank(AskedRanks& asked, AskedPlaces& places);

/// The texts of a list, with commas between them.
[[nodiscard]] std::string joined(const std::vector<std::string>& texts);

}  // namespace cardswap::gang
