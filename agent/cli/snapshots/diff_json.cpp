#include "agent/cli/snapshots/diff_json.h"

#include <boost/json.hpp>

#include "agent/cli/snapshots/number_json.h"

namespace cardswap::cli {
namespace {

namespace json = boost::json;

json::value side_json(const std::optional<Region>& region) {
  if (!region) return nullptr;
  return json::object{{"dtype", region->dtype}, {"shape", region->shape}, {"bytes", region->bytes}};
}

json::value side_json(const std::optional<tensors::ComparedSide>& side) {
  if (!side) return nullptr;
  json::array sizes;
  for (const auto size : side->sizes) sizes.emplace_back(size);
  return json::object{{"dtype", side->dtype}, {"sizes", std::move(sizes)}, {"bytes", side->bytes}};
}

json::object chunks_json(const tensors::ChangedChunks& chunks) {
  return {{"chunks", chunks.chunks},
          {"chunks_changed", chunks.chunks_changed},
          {"bytes", chunks.bytes},
          {"bytes_changed", chunks.bytes_changed}};
}

json::object not_finite_json(const tensors::NotFinite& count) {
  return {{"nan", count.nan}, {"infinite", count.infinite}};
}

json::value difference_json(const std::optional<tensors::Difference>& found) {
  if (!found) return nullptr;
  json::object all{
      {"elements", found->elements}, {"compared", found->compared}, {"changed", found->changed}};
  if (!found->has_numbers) return all;
  all["max_abs"] = number_json(found->max_abs);
  all["rms"] = number_json(found->rms);
  all["relative"] = number_json(found->relative);
  all["cosine"] = number_json(found->cosine);
  all["not_finite_before"] = not_finite_json(found->before);
  all["not_finite_after"] = not_finite_json(found->after);
  return all;
}

}  // namespace

json::object diff_json(const tensors::SnapshotComparison& comparison,
                       const std::optional<std::vector<tensors::ComparedTensor>>& tensors,
                       std::size_t top) {
  json::array regions;
  for (const auto& one : comparison.regions) {
    regions.push_back(json::object{
        {"name", one.name()}, {"before", side_json(one.before)}, {"after", side_json(one.after)}});
  }
  json::array changed;
  for (const auto& one : comparison.chunks) {
    auto item = chunks_json(one);
    item["region"] = one.region;
    changed.push_back(std::move(item));
  }
  auto all = chunks_json(comparison.total);
  all["chunks_are_comparable"] = comparison.are_chunks_comparable;
  all["regions_alike"] = comparison.regions_alike;
  all["regions"] = std::move(regions);
  all["regions_changed"] = std::move(changed);
  if (!tensors) return all;
  json::array shown;
  std::uint64_t differing = 0;
  for (const auto& one : *tensors) {
    if (one.is_equal()) continue;
    if (differing++ >= top) continue;
    shown.push_back(json::object{{"name", one.name},
                                 {"before", side_json(one.before)},
                                 {"after", side_json(one.after)},
                                 {"difference", difference_json(one.difference)}});
  }
  all["tensors"] = std::move(shown);
  all["tensors_compared"] = tensors->size();
  all["tensors_changed"] = differing;
  return all;
}

}  // namespace cardswap::cli
