#include "runtime/value_block.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"
#include "migrator/wire/data_messages.h"
#include "runtime/error_context.h"

namespace cardswap {
namespace {

static_assert(kValueBytesMax < kValuesBytesMax && kValuesBytesMax < data::kValuesFieldBytesMax,
              "what a program may save fits a message");

constexpr std::size_t kEntryBytesMin = 2 * sizeof(std::uint32_t);

void load_gradients(std::span<const TrackedEntry> entries, wire::WireReader& reader) {
  for (const auto& entry : entries) {
    if (auto* gradients = entry.state->gradients()) {
      as_layout_error(entry.name, [&] { gradients->load(reader.blob(kValueBytesMax)); });
    }
  }
}

std::vector<std::byte> value_of(const TrackedEntry& entry) {
  std::vector<std::byte> value;
  with_name(entry.name, [&] { value = entry.state->save(); });
  return value;
}

}  // namespace

std::vector<std::byte> save_values(std::span<const TrackedEntry> entries) {
  wire::WireWriter writer;
  writer.u32(static_cast<std::uint32_t>(entries.size()));
  for (const auto& entry : entries) {
    const auto value = value_of(entry);
    if (value.size() > kValueBytesMax) {
      throw Error(Code::refused,
                  fmt::format("'{}' saves {} bytes, a value may have {}", entry.name, value.size(),
                              kValueBytesMax),
                  "track the memory itself, with session.track_memory or as a tensor");
    }
    writer.string(entry.name).blob(value);
  }
  for (const auto& entry : entries) {
    if (auto* gradients = entry.state->gradients()) writer.blob(gradients->save());
  }
  return std::move(writer).take();
}

std::vector<std::byte> save_values_without_gradients(std::span<const TrackedEntry> entries) {
  wire::WireWriter writer;
  writer.u32(static_cast<std::uint32_t>(entries.size()));
  for (const auto& entry : entries) writer.string(entry.name).blob(value_of(entry));
  return std::move(writer).take();
}

void load_values(std::span<const TrackedEntry> entries, std::span<const std::byte> block) {
  wire::WireReader reader(block);
  if (reader.count(kEntryBytesMin) != entries.size()) {
    throw Error(Code::layout_differs, "the two sides track a different number of things",
                "both sides must run the same program with the same arguments");
  }
  std::vector<std::pair<const TrackedEntry*, std::span<const std::byte>>> last;
  for (const auto& entry : entries) {
    const auto name = reader.string();
    if (name != entry.name) {
      throw Error(
          Code::layout_differs,
          fmt::format("the source tracks '{}' where this side tracks '{}'", name, entry.name),
          "both sides must track the same things in the same order");
    }
    const auto bytes = reader.blob(kValueBytesMax);
    if (entry.state->loads_last()) {
      last.emplace_back(&entry, bytes);
      continue;
    }
    as_layout_error(name, [&] { entry.state->load(bytes); });
  }
  load_gradients(entries, reader);
  reader.finish();
  for (const auto& item : last) {
    as_layout_error(item.first->name, [&] { item.first->state->load(item.second); });
  }
}

std::vector<std::string> differing_values(std::span<const std::byte> one,
                                          std::span<const std::byte> other) {
  wire::WireReader here(one);
  wire::WireReader there(other);
  const auto count = here.count(kEntryBytesMin);
  if (there.count(kEntryBytesMin) != count) {
    throw Error(Code::layout_differs, "the two sides track a different number of things");
  }
  std::vector<std::string> differ;
  for (std::size_t i = 0; i < count; ++i) {
    auto name = here.string();
    if (there.string() != name) {
      throw Error(Code::layout_differs, "the two sides track other things");
    }
    const auto mine = here.blob(kValueBytesMax);
    if (!std::ranges::equal(mine, there.blob(kValueBytesMax))) differ.push_back(std::move(name));
  }
  return differ;
}

}  // namespace cardswap
