#include "agent/health/sources/nvml_watch.h"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/printable.h"
#include "agent/health/decisions/xid_table.h"
#include "cuda/library.h"
#include "cuda/nvml_api.h"

namespace cardswap::health {
namespace {

using namespace nvml;  // NOLINT: its constants
using Clock = std::chrono::steady_clock;

constexpr unsigned kEventWaitMs = 200;
constexpr std::chrono::milliseconds kPollEvery{1000};
constexpr std::chrono::milliseconds kAfterAFailedWait{200};
constexpr unsigned kDevicesMax = 256;
/// After this many failed polls in a row the finding is "nvml:no_answer", not that the device is
/// lost.
constexpr unsigned kNoAnswerAfter = 3;

/// NVML's functions. Null: this driver's library does not have it.
struct Api {
  cuda::Library library;
  nvmlReturn_t (*init)() = nullptr;
  nvmlReturn_t (*count)(unsigned*) = nullptr;
  nvmlReturn_t (*handle)(unsigned, nvmlDevice_t*) = nullptr;
  nvmlReturn_t (*uuid)(nvmlDevice_t, char*, unsigned) = nullptr;
  nvmlReturn_t (*pci)(nvmlDevice_t, nvmlPciInfo_t*) = nullptr;
  nvmlReturn_t (*new_events)(nvmlEventSet_t*) = nullptr;
  nvmlReturn_t (*supported_events)(nvmlDevice_t, unsigned long long*) = nullptr;
  nvmlReturn_t (*register_events)(nvmlDevice_t, unsigned long long, nvmlEventSet_t) = nullptr;
  nvmlReturn_t (*wait)(nvmlEventSet_t, nvmlEventData_t*, unsigned) = nullptr;
  nvmlReturn_t (*fields)(nvmlDevice_t, int, nvmlFieldValue_t*) = nullptr;
  nvmlReturn_t (*remapped)(nvmlDevice_t, unsigned*, unsigned*, unsigned*, unsigned*) = nullptr;
  nvmlReturn_t (*clocks)(nvmlDevice_t, unsigned long long*) = nullptr;
  nvmlReturn_t (*ecc)(nvmlDevice_t, int, int, unsigned long long*) = nullptr;
  nvmlReturn_t (*retired_pending)(nvmlDevice_t, int*) = nullptr;
};

template <class Function>
void load(const Api& api, Function& function, std::initializer_list<const char*> names) {
  for (const auto* name : names) {
    if (api.library.find(function, name)) return;
  }
}

Api open_api(const std::string& path) {
  Api api;
  api.library = cuda::Library(path);
  if (!api.library) return api;
  load(api, api.init, {"nvmlInit_v2", "nvmlInit"});
  load(api, api.count, {"nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"});
  load(api, api.handle, {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"});
  load(api, api.uuid, {"nvmlDeviceGetUUID"});
  load(api, api.pci, {"nvmlDeviceGetPciInfo_v3"});
  load(api, api.new_events, {"nvmlEventSetCreate"});
  load(api, api.supported_events, {"nvmlDeviceGetSupportedEventTypes"});
  load(api, api.register_events, {"nvmlDeviceRegisterEvents"});
  load(api, api.wait, {"nvmlEventSetWait_v2"});
  load(api, api.fields, {"nvmlDeviceGetFieldValues"});
  load(api, api.remapped, {"nvmlDeviceGetRemappedRows"});
  load(api, api.clocks,
       {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"});
  load(api, api.ecc, {"nvmlDeviceGetTotalEccErrors"});
  load(api, api.retired_pending, {"nvmlDeviceGetRetiredPagesPendingStatus"});
  return api;
}

/// Prints a line; false: nobody reads it.
bool say(const std::string& line) {
  const auto text = line + "\n";
  return ::write(STDOUT_FILENO, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

struct Watched {
  nvmlDevice_t device = nullptr;
  std::string uuid;
  std::string pci;
  std::map<std::string, bool> lasting;  ///< what was said last
  unsigned long long double_bit = 0;
  bool ecc_known = false;
  unsigned no_answer = 0;
  bool lost = false;
};

class Watch {
 public:
  explicit Watch(Api api) : api_(std::move(api)) {}

  int run() {
    if (const auto failed = api_.init(); failed != kSuccess) {
      say("state\tfailing\tnvmlInit: error " + std::to_string(failed));
      return 1;
    }
    find_devices();
    say("state\tok\t" + std::to_string(devices_.size()) + " devices");
    auto next_poll = Clock::now();
    while (say("alive")) {
      if (Clock::now() >= next_poll) {
        for (auto& watched : devices_) poll(watched);
        next_poll = Clock::now() + kPollEvery;
      }
      if (wait_for_event()) next_poll = Clock::now();
    }
    return 0;
  }

 private:
  void find_devices() {
    unsigned count = 0;
    if (api_.count(&count) != kSuccess) count = 0;
    if (api_.new_events != nullptr && api_.new_events(&events_) != kSuccess) events_ = nullptr;
    for (unsigned i = 0; i < std::min(count, kDevicesMax); ++i) {
      Watched watched;
      if (api_.handle(i, &watched.device) != kSuccess) continue;  // the kernel log names it
      std::array<char, 96> uuid{};
      if (api_.uuid != nullptr && api_.uuid(watched.device, uuid.data(), uuid.size()) == kSuccess) {
        watched.uuid = excerpt(uuid.data(), 95);
      }
      nvmlPciInfo_t pci{};
      if (api_.pci != nullptr && api_.pci(watched.device, &pci) == kSuccess) {
        pci.busId[sizeof(pci.busId) - 1] = 0;
        watched.pci = pci_address(pci.busId);
      }
      unsigned long long supported = 0;
      if (events_ != nullptr && api_.supported_events != nullptr &&
          api_.supported_events(watched.device, &supported) == kSuccess) {
        api_.register_events(watched.device, supported & kWanted, events_);
      }
      say("device\t" + std::to_string(i) + "\t" + watched.uuid + "\t" + watched.pci);
      devices_.push_back(std::move(watched));
    }
  }

  void finding(const Watched& watched, const std::string& code, bool firing, bool lasting,
               const std::string& detail) {
    say("finding\t" + watched.uuid + "\t" + watched.pci + "\t" + code + "\t" +
        (firing ? "1" : "0") + "\t" + (lasting ? "1" : "0") + "\t" + detail);
  }

  /// Prints a state if it has changed.
  void lasts(Watched& watched, const std::string& code, bool firing, const std::string& detail) {
    auto& said = watched.lasting[code];
    if (said == firing) return;
    said = firing;
    finding(watched, code, firing, true, detail);
  }

  /// Whether the answer can be used. A failure is counted for its own device only.
  bool answered(Watched& watched, nvmlReturn_t status, const char* call) {
    if (status == kSuccess) return true;
    // What this GPU or this driver does not have says nothing about its health.
    if (status == kNotSupported || status == kInvalidArgument || status == kNoPermission ||
        status == kFunctionNotFound || status == kVersionMismatch || status == kDeprecated) {
      return false;
    }
    if (status == kGpuIsLost && !watched.lost) {
      watched.lost = true;
      finding(watched, "gpu_lost", true, false, std::string(call) + ": the GPU is lost");
    } else if (status == kResetRequired) {
      lasts(watched, "reset_required", true, std::string(call) + ": a reset is required");
    } else if (status != kGpuIsLost) {
      failed_ = std::string(call) + ": error " + std::to_string(status);
    }
    return false;
  }

  void poll(Watched& watched) {
    failed_.clear();
    poll_recovery(watched);
    poll_memory(watched);
    poll_clocks(watched);
    watched.no_answer = failed_.empty() ? 0 : watched.no_answer + 1;
    if (watched.no_answer == 0 || watched.no_answer >= kNoAnswerAfter) {
      lasts(watched, "nvml:no_answer", watched.no_answer > 0, failed_);
    }
  }

  void poll_recovery(Watched& watched) {
    if (api_.fields == nullptr) return;
    nvmlFieldValue_t field{};
    field.fieldId = kFieldRecoveryAction;
    if (!answered(watched, api_.fields(watched.device, 1, &field), "nvmlDeviceGetFieldValues") ||
        !answered(watched, field.nvmlReturn, "field 230")) {
      return;
    }
    const auto wanted = recovery_code(field.value.uiVal);
    for (auto& [code, firing] : watched.lasting) {
      if (code.starts_with("recovery:") && code != wanted) lasts(watched, code, false, "");
    }
    if (!wanted.empty()) {
      lasts(watched, wanted, true, "recovery action " + std::to_string(field.value.uiVal));
    }
  }

  void poll_memory(Watched& watched) {
    std::array<unsigned, 4> rows{};
    if (api_.remapped != nullptr &&
        answered(watched, api_.remapped(watched.device, &rows[0], &rows[1], &rows[2], &rows[3]),
                 "nvmlDeviceGetRemappedRows")) {
      const auto detail = std::to_string(rows[0]) + " correctable, " + std::to_string(rows[1]) +
                          " uncorrectable rows";
      lasts(watched, "row_remap:pending", rows[2] != 0, detail);
      lasts(watched, "row_remap:failed", rows[3] != 0, detail);
    }
    int pending = 0;
    if (api_.retired_pending != nullptr &&
        answered(watched, api_.retired_pending(watched.device, &pending),
                 "nvmlDeviceGetRetiredPagesPendingStatus")) {
      lasts(watched, "retired_pages:pending", pending != 0, "");
    }
    unsigned long long errors = 0;
    constexpr int kUncorrected = 1;
    constexpr int kVolatile = 0;
    if (api_.ecc != nullptr &&
        answered(watched, api_.ecc(watched.device, kUncorrected, kVolatile, &errors),
                 "nvmlDeviceGetTotalEccErrors")) {
      // Errors from before this process are not reported: a former one has seen them.
      if (watched.ecc_known && errors > watched.double_bit) {
        finding(watched, "ecc:double_bit", true, false,
                std::to_string(errors) + " uncorrected errors since the driver was loaded");
      }
      watched.double_bit = errors;
      watched.ecc_known = true;
    }
  }

  void poll_clocks(Watched& watched) {
    unsigned long long reasons = 0;
    if (api_.clocks == nullptr ||
        !answered(watched, api_.clocks(watched.device, &reasons), "clocks event reasons")) {
      return;
    }
    const bool thermal = (reasons & kHwThermal) != 0;
    const bool brake = (reasons & kHwPowerBrake) != 0;
    lasts(watched, "throttle:hw_thermal", thermal, "");
    lasts(watched, "throttle:hw_power_brake", brake, "");
    lasts(watched, "throttle:hw_slowdown", (reasons & kHwSlowdown) != 0 && !thermal && !brake, "");
  }

  /// Waits for an event; true: the devices should be polled at once.
  bool wait_for_event() {
    nvmlEventData_t event{};
    if (events_ == nullptr || api_.wait == nullptr) {
      std::this_thread::sleep_for(kAfterAFailedWait);
      return false;
    }
    const auto status = api_.wait(events_, &event, kEventWaitMs);
    if (status == kTimeout) return false;
    if (status != kSuccess) {
      // It does not say which device is at fault: each device is polled, and none is reported for
      // this.
      std::this_thread::sleep_for(kAfterAFailedWait);
      return true;
    }
    for (auto& watched : devices_) {
      if (watched.device == event.device) report_event(watched, event);
    }
    return event.eventType != kEventXid;
  }

  void report_event(Watched& watched, const nvmlEventData_t& event) {
    if (event.eventType == kEventXid) {
      if (event.eventData == kUnknownXid) return;
      auto detail = std::string();
      if (event.gpuInstanceId != kNoInstance) {
        detail = "MIG instance " + std::to_string(event.gpuInstanceId);
      }
      finding(watched, "xid:" + std::to_string(event.eventData), true, false, detail);
      return;
    }
    for (const auto& [type, code] :
         {std::pair{kEventDoubleBitEcc, "ecc:double_bit"},
          std::pair{kEventEccStorm, "ecc:single_bit_storm"}, std::pair{kEventRetirement, "xid:63"},
          std::pair{kEventRetirementFailure, "row_remap:failed"},
          std::pair{kEventNonFatalPoison, "poison:contained"},
          std::pair{kEventFatalPoison, "poison:fatal"}, std::pair{kEventUnavailable, "gpu_lost"}}) {
      if (event.eventType == type) finding(watched, code, true, false, "event");
    }
  }

  static constexpr auto kWanted =
      kEventDoubleBitEcc | kEventXid | kEventEccStorm | kEventRetirement | kEventRetirementFailure |
      kEventNonFatalPoison | kEventFatalPoison | kEventUnavailable | kEventRecoveryAction;

  Api api_;
  nvmlEventSet_t events_ = nullptr;
  std::vector<Watched> devices_;
  std::string failed_;  ///< of the device that is being asked
};

}  // namespace

int watch_nvml(const std::string& library) {
  auto api = open_api(library);
  if (!api.library || api.init == nullptr || api.count == nullptr || api.handle == nullptr) {
    const auto* why = ::dlerror();  // NOLINT(concurrency-mt-unsafe)
    say("state\tabsent\t" + excerpt(why == nullptr ? "no NVML in " + library : why));
    return 3;
  }
  return Watch(std::move(api)).run();
}

}  // namespace cardswap::health
