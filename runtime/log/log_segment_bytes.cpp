#include "runtime/log/log_segment_bytes.h"

#include <utility>

#include "migrator/device/device.h"

namespace cardswap {

LogSegmentBytes::LogSegmentBytes(const store::LogStart& start) {
  own(store::encode_log_start(start));
}

void LogSegmentBytes::own(std::vector<std::byte> bytes) {
  refer(*own_.emplace_back(std::make_unique<const std::vector<std::byte>>(std::move(bytes))));
}

void LogSegmentBytes::refer(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  if (!bytes.empty()) pieces_.push_back(bytes);
}

void LogSegmentBytes::add(const LoggedStep& step, const std::optional<Digest>& root) {
  store::LogRecord record;
  record.step = step.step;
  record.root = root;
  record.values = step.values;
  std::vector<std::span<const std::byte>> payload;
  for (const auto& region : step.regions) {
    record.regions.push_back({region.region, region.bytes.size(), digest_of(region.bytes)});
    payload.emplace_back(region.bytes);
  }
  for (const auto& entry : step.updates) {
    auto& update = record.updates.emplace_back();
    update.optimizer = entry.optimizer;
    update.options = entry.options;
    for (const auto& gradient : entry.gradients) {
      auto bytes = gradient.bytes;
      if (!gradient.device->is_host()) {
        auto copy = gradient.device->allocate_host(bytes.size());
        // A MemoryRange is not const, but a device does not write to a range that it reads.
        auto* from = const_cast<std::byte*>(bytes.data());  // NOLINT
        const MemoryRange range{gradient.device.get(), {from, bytes.size()}};
        gradient.device->read(std::span(&range, 1), copy.bytes.data(), entry.fence);
        bytes = copy.bytes;
        staged_.push_back(std::move(copy.owner));
      }
      update.gradients.push_back(
          {static_cast<std::uint32_t>(gradient.parameter), bytes.size(), digest_of(bytes)});
      payload.push_back(bytes);
    }
  }
  own(store::encode_log_head(record));
  for (const auto& bytes : payload) refer(bytes);
}

}  // namespace cardswap
