/// A stand-in for NVIDIA's libnvidia-ml.so.1, for tests: it has no GPU behind it and answers what
/// the file $STAND_IN_NVML says, read again at every call. One word a line, then its values:
///
///   devices N              how many there are (GPU-stand-in-I at 0000:0I:00.0)
///   uuid I UUID            in the place of "GPU-stand-in-I"; so is `name I NAME`
///   event SERIAL I TYPE DATA    given once, as soon as SERIAL is above those given before
///   recovery I ACTION      field 230
///   remap I PENDING FAILED
///   clocks I REASONS
///   error I STATUS         every call about the device returns it
///   no_memory I STATUS     the call for its memory returns it
///   no_name I STATUS       the calls for its name and UUID return it
///   wait_error STATUS      every wait for events returns it
///   hang                   no call returns
///   exit                   the next call ends its process
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include "cuda/nvml_api.h"

namespace {

using namespace cardswap::nvml;  // NOLINT: its constants

/// Handles are numbers from 1.
nvmlDevice_t handle_of(unsigned index) {
  return reinterpret_cast<nvmlDevice_t>(static_cast<std::uintptr_t>(index) + 1);
}
unsigned index_of(nvmlDevice_t device) {
  return static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(device)) - 1;
}

/// The values after `word`, and after the device's number where there is one.
bool scripted(const std::string& word, int index, std::istringstream& values) {
  const char* path = std::getenv("STAND_IN_NVML");  // NOLINT(concurrency-mt-unsafe)
  std::ifstream file(path == nullptr ? "" : path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first == "hang") ::poll(nullptr, 0, -1);
    if (first == "exit") ::_exit(1);
    if (first != word) continue;
    int which = index;
    if (index >= 0) words >> which;
    if (which != index) continue;
    std::string rest;
    std::getline(words, rest);
    values.str(rest);
    return true;
  }
  return false;
}

unsigned long long value_of(const std::string& word, int index, int position = 0) {
  std::istringstream values;
  unsigned long long value = 0;
  if (!scripted(word, index, values)) return 0;
  for (int i = 0; i <= position; ++i) values >> value;
  return value;
}

nvmlReturn_t status_of(nvmlDevice_t device) {
  return static_cast<nvmlReturn_t>(value_of("error", static_cast<int>(index_of(device))));
}

std::string word_of(const std::string& word, nvmlDevice_t device, const std::string& otherwise) {
  std::istringstream values;
  std::string value;
  if (!scripted(word, static_cast<int>(index_of(device)), values)) return otherwise;
  values >> value;
  return value;
}

unsigned long long given = 0;

}  // namespace

extern "C" {

nvmlReturn_t nvmlInit_v2() { return kSuccess; }

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned* count) {
  *count = static_cast<unsigned>(value_of("devices", -1));
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t* device) {
  *device = handle_of(index);
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char* uuid, unsigned length) {
  if (const auto failed = value_of("no_name", static_cast<int>(index_of(device))); failed != 0) {
    return static_cast<nvmlReturn_t>(failed);
  }
  const auto otherwise = "GPU-stand-in-" + std::to_string(index_of(device));
  std::snprintf(uuid, length, "%s", word_of("uuid", device, otherwise).c_str());
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char* name, unsigned length) {
  if (const auto failed = value_of("no_name", static_cast<int>(index_of(device))); failed != 0) {
    return static_cast<nvmlReturn_t>(failed);
  }
  std::snprintf(name, length, "%s", word_of("name", device, "Stand-in GPU").c_str());
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t* memory) {
  if (const auto failed = value_of("no_memory", static_cast<int>(index_of(device))); failed != 0) {
    return static_cast<nvmlReturn_t>(failed);
  }
  memory->total = (index_of(device) + 1ULL) << 30U;
  memory->free = memory->total;
  memory->used = 0;
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  std::memset(pci, 0, sizeof(*pci));
  pci->bus = index_of(device);
  std::snprintf(pci->busId, sizeof(pci->busId), "00000000:%02X:00.0", index_of(device));
  return kSuccess;
}

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t* set) {
  *set = reinterpret_cast<nvmlEventSet_t>(1);
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t, unsigned long long* types) {
  *types = ~0ULL;
  return kSuccess;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t, unsigned long long, nvmlEventSet_t) {
  return kSuccess;
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t, nvmlEventData_t* data, unsigned timeout_ms) {
  for (unsigned waited = 0; waited <= timeout_ms; waited += 10) {
    if (const auto failed = value_of("wait_error", -1); failed != 0) {
      return static_cast<nvmlReturn_t>(failed);
    }
    std::istringstream values;
    if (scripted("event", -1, values)) {
      unsigned long long serial = 0;
      unsigned index = 0;
      std::memset(data, 0, sizeof(*data));
      values >> serial >> index >> data->eventType >> data->eventData;
      if (serial > given) {
        given = serial;
        data->device = handle_of(index);
        data->gpuInstanceId = kNoInstance;
        data->computeInstanceId = kNoInstance;
        return kSuccess;
      }
    }
    ::poll(nullptr, 0, 10);
  }
  return kTimeout;
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t* values) {
  if (const auto failed = status_of(device); failed != kSuccess) return failed;
  for (int i = 0; i < count; ++i) {
    values[i].nvmlReturn = values[i].fieldId == kFieldRecoveryAction ? kSuccess : kNotSupported;
    values[i].valueType = 1;
    values[i].value.uiVal =
        static_cast<unsigned>(value_of("recovery", static_cast<int>(index_of(device))));
  }
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned* corrected,
                                       unsigned* uncorrected, unsigned* pending, unsigned* failed) {
  if (const auto status = status_of(device); status != kSuccess) return status;
  const auto index = static_cast<int>(index_of(device));
  *corrected = 0;
  *pending = static_cast<unsigned>(value_of("remap", index));
  *failed = static_cast<unsigned>(value_of("remap", index, 1));
  *uncorrected = *pending + *failed;
  return kSuccess;
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device,
                                                    unsigned long long* reasons) {
  if (const auto failed = status_of(device); failed != kSuccess) return failed;
  *reasons = value_of("clocks", static_cast<int>(index_of(device)));
  return kSuccess;
}
}
