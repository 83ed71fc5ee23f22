#pragma once

/// The part of NVIDIA's NVML that we use, declared here because it is loaded at run time and its
/// header need not be installed. Names, numbers and layouts are those of nvml.h (API 12 and later);
/// tests/stand_ins/nvml is built from the same declarations.
extern "C" {

using nvmlDevice_t = struct nvmlDevice_st*;
using nvmlEventSet_t = struct nvmlEventSet_st*;
using nvmlReturn_t = int;

struct nvmlPciInfo_t {
  char busIdLegacy[16];
  unsigned int domain;
  unsigned int bus;
  unsigned int device;
  unsigned int pciDeviceId;
  unsigned int pciSubSystemId;
  char busId[32];
};

struct nvmlEventData_t {
  nvmlDevice_t device;
  unsigned long long eventType;
  unsigned long long eventData;
  unsigned int gpuInstanceId;
  unsigned int computeInstanceId;
};

struct nvmlMemory_t {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

union nvmlValue_t {
  double dVal;
  int siVal;
  unsigned int uiVal;
  unsigned long ulVal;
  unsigned long long ullVal;
  signed long long sllVal;
};

struct nvmlFieldValue_t {
  unsigned int fieldId;
  unsigned int scopeId;
  long long timestamp;
  long long latencyUsec;
  int valueType;
  nvmlReturn_t nvmlReturn;
  nvmlValue_t value;
};
}

namespace cardswap::nvml {

inline constexpr int kSuccess = 0;
inline constexpr int kInvalidArgument = 2;
inline constexpr int kNotSupported = 3;
inline constexpr int kNoPermission = 4;
inline constexpr int kFunctionNotFound = 13;
inline constexpr int kVersionMismatch = 25;
inline constexpr int kDeprecated = 26;
inline constexpr int kTimeout = 10;
inline constexpr int kGpuIsLost = 15;
inline constexpr int kResetRequired = 16;

inline constexpr unsigned long long kEventSingleBitEcc = 0x1;
inline constexpr unsigned long long kEventDoubleBitEcc = 0x2;
inline constexpr unsigned long long kEventXid = 0x8;
inline constexpr unsigned long long kEventEccStorm = 0x200;
inline constexpr unsigned long long kEventRetirement = 0x400;
inline constexpr unsigned long long kEventRetirementFailure = 0x800;
inline constexpr unsigned long long kEventNonFatalPoison = 0x1000;
inline constexpr unsigned long long kEventFatalPoison = 0x2000;
inline constexpr unsigned long long kEventUnavailable = 0x4000;
inline constexpr unsigned long long kEventRecoveryAction = 0x8000;

inline constexpr unsigned kFieldRecoveryAction = 230;
inline constexpr unsigned long long kUnknownXid = 999;
inline constexpr unsigned kNoInstance = 0xffffffff;

inline constexpr unsigned long long kHwSlowdown = 0x8;
inline constexpr unsigned long long kHwThermal = 0x40;
inline constexpr unsigned long long kHwPowerBrake = 0x80;

}  // namespace cardswap::nvml
