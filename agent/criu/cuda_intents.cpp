#include "agent/criu/cuda_intents.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/json.hpp>
#include <string_view>

#include "migrator/base/error.h"
#include "migrator/base/hex.h"

namespace cardswap::criu {

namespace json = boost::json;

namespace {

std::string id_of(const CudaIntent& intent) {
  return fmt::format("{}@{}", intent.what.pid, intent.what.started);
}

std::vector<std::byte> bytes_of(std::string_view hex) {
  std::vector<std::byte> bytes(hex.size() / 2);
  if (!from_hex(hex, bytes)) throw Error(Code::bad_request, "not hexadecimal");
  return bytes;
}

bool is_of_same_process(const CudaIntent& one, const CudaIntent& other) {
  return one.what.pid == other.what.pid && one.what.started == other.what.started;
}

}  // namespace

json::object to_json(const CudaIntent& intent) {
  return {{"side", intent.side == CudaIntent::Side::source ? "source" : "target"},
          {"root", {{"pid", intent.root.pid}, {"start_time", intent.root.start_time}}},
          {"intent", to_hex(cuda::encode(intent.what))}};
}

CudaIntent cuda_intent_from_json(const json::object& record) {
  try {
    CudaIntent intent;
    const auto& side = record.at("side").as_string();
    if (side != "source" && side != "target") throw Error(Code::bad_request, "no side");
    intent.side = side == "source" ? CudaIntent::Side::source : CudaIntent::Side::target;
    const auto& root = record.at("root").as_object();
    intent.root.pid = root.at("pid").to_number<pid_t>();
    intent.root.start_time = root.at("start_time").to_number<std::uint64_t>();
    intent.what =
        cuda::decode_checkpoint_intent(bytes_of(std::string_view(record.at("intent").as_string())));
    return intent;
  } catch (const std::exception& error) {
    throw Error(Code::corrupt, fmt::format("a process's CUDA state: {}", error.what()));
  }
}

CudaIntents::CudaIntents(Journal& journal) : journal_(journal) {
  journal_.each(Journal::Kind::checkpoint, [this](const json::object& record) {
    all_.push_back(cuda_intent_from_json(record));
  });
}

void CudaIntents::put(const CudaIntent& intent) {
  journal_.put(Journal::Kind::checkpoint, id_of(intent), to_json(intent));
  std::erase_if(all_, [&](const CudaIntent& known) { return is_of_same_process(known, intent); });
  all_.push_back(intent);
}

void CudaIntents::remove(const CudaIntent& intent) {
  std::erase_if(all_, [&](const CudaIntent& known) { return is_of_same_process(known, intent); });
  try {
    journal_.remove(Journal::Kind::checkpoint, id_of(intent));
  } catch (const Error& disk) {
    spdlog::warn("process {}: {}", intent.what.pid, disk.what());
  }
}

std::vector<CudaIntent> CudaIntents::of(const ProcessId& root) const {
  std::vector<CudaIntent> result;
  for (const auto& intent : all_) {
    if (intent.root == root) result.push_back(intent);
  }
  return result;
}

}  // namespace cardswap::criu
