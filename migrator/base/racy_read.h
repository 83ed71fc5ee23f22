#pragma once

#if defined(__SANITIZE_THREAD__)
extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);
#endif

namespace cardswap {

/// Marks a scope in which memory is read that the training program may write at the same time. That
/// is by design: the digest of a torn read is wrong, and the chunk is compared again
/// (docs/decisions/001). It only keeps ThreadSanitizer from reporting these reads.
class RacyRead {
 public:
#if defined(__SANITIZE_THREAD__)
  RacyRead() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~RacyRead() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
#else
  RacyRead() = default;
  ~RacyRead() {}  // NOLINT(modernize-use-equals-default): a scope, not an unused variable
#endif
  RacyRead(const RacyRead&) = delete;
  RacyRead& operator=(const RacyRead&) = delete;
};

}  // namespace cardswap
