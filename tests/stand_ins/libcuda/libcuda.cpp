/// A stand-in for NVIDIA's libcuda.so.1, for tests: the checkpoint calls without a GPU. The file
/// $STAND_IN_CUDA says what the driver is like, one word a line, then its values:
///
///   version N       what cuDriverGetVersion gives
///   fail CALL N     CALL (Lock, Checkpoint, Restore, Unlock, GetState, Init) gives N
///   state N         the process's state, whichever process; written back by every call
///   hold CALL N     CALL does not return, nor do anything, while N is not 0
///   called CALL...  appended for every call that changed the state
#include <poll.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cuda/driver_api.h"

namespace {

using namespace cardswap::cuda::driver;  // NOLINT: its numbers

std::string path() {
  const char* file = std::getenv("STAND_IN_CUDA");  // NOLINT(concurrency-mt-unsafe)
  return file == nullptr ? "" : file;
}

/// The values after the last line that begins with `word` and, where given, `second`.
int value_of(const std::string& word, const std::string& second, int otherwise) {
  std::ifstream file(path());
  int value = otherwise;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first;
    std::string next;
    words >> first;
    if (first != word) continue;
    if (!second.empty() && (words >> next, next != second)) continue;
    words >> value;
  }
  return value;
}

CUresult move(const char* call, CUprocessState from, CUprocessState to, const std::string& detail) {
  while (value_of("hold", call, 0) != 0) ::poll(nullptr, 0, 5);
  if (const auto failed = value_of("fail", call, kSuccess); failed != kSuccess) return failed;
  if (value_of("state", "", kRunning) != from) return kIllegalState;
  std::ofstream(path(), std::ios::app) << "called " << call << detail << "\nstate " << to << "\n";
  return kSuccess;
}

}  // namespace

extern "C" {

CUresult cuInit(unsigned) { return value_of("fail", "Init", kSuccess); }
CUresult cuDriverGetVersion(int* version) {
  *version = value_of("version", "", 0);
  return kSuccess;
}
CUresult cuCheckpointProcessGetState(int, CUprocessState* state) {
  while (value_of("hold", "GetState", 0) != 0) ::poll(nullptr, 0, 5);
  *state = value_of("state", "", kRunning);
  return value_of("fail", "GetState", kSuccess);
}
CUresult cuCheckpointProcessLock(int, CUcheckpointLockArgs* arguments) {
  return move("Lock", kRunning, kLocked, " " + std::to_string(arguments->timeoutMs));
}
CUresult cuCheckpointProcessCheckpoint(int, CUcheckpointCheckpointArgs*) {
  return move("Checkpoint", kLocked, kCheckpointed, "");
}
CUresult cuCheckpointProcessRestore(int, CUcheckpointRestoreArgs* arguments) {
  std::string pairs;
  for (unsigned i = 0; i < arguments->gpuPairsCount; ++i) {
    pairs +=
        " " + std::to_string(static_cast<unsigned char>(arguments->gpuPairs[i].oldUuid.bytes[15]));
    pairs +=
        ">" + std::to_string(static_cast<unsigned char>(arguments->gpuPairs[i].newUuid.bytes[0]));
  }
  return move("Restore", kCheckpointed, kLocked, pairs);
}
CUresult cuCheckpointProcessUnlock(int, CUcheckpointUnlockArgs*) {
  return move("Unlock", kLocked, kRunning, "");
}
}
