/// The driver's calls by their names and arguments, over a stand-in for libcuda that takes no
/// others.

#include <gmock/gmock.h>

#include <cstring>

#include "cuda/vmm_arena.h"
#include "migrator/base/error.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap::cuda {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1U << 20U;

class DriverVmm : public ::testing::Test {
 protected:
  void SetUp() override {
    if (test::kThreadSanitizer) return test::skip_without("unsanitized", test::kNoAddresses);
  }
};

Error error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {Code::internal, ""};
}

TEST_F(DriverVmm, MakesExportsAndImportsAnArenasMemory) {
  const auto vmm = driver_vmm(STAND_IN_LIBCUDA);
  const auto arena = VmmArena::reserve({vmm, 0}, {256 * kMiB, 0, 0}, {});
  const auto block = arena->allocate(70 * kMiB);
  const auto more = arena->allocate(70 * kMiB);
  // This stand-in's memory is the host's too.
  std::memset(block->data(), 3, block->size());
  std::memset(more->data(), 4, more->size());
  auto pieces = arena->pieces();
  EXPECT_EQ(pieces.size(), 2U);
  arena->unbind();
  arena->bind(std::move(pieces), arena->base());
  EXPECT_EQ(block->front(), std::byte{3});
  EXPECT_EQ(more->back(), std::byte{4});
}

TEST_F(DriverVmm, PutsTheDriversWordsIntoAnError) {
  const auto vmm = driver_vmm(STAND_IN_LIBCUDA);
  const auto arena = VmmArena::reserve({vmm, 0}, {4096 * kMiB, 0, 0}, {});
  const auto error = error_of([&] { (void)arena->allocate(2048 * kMiB); });
  EXPECT_EQ(error.code(), Code::no_memory);
  EXPECT_THAT(error.failure(),
              HasSubstr("cuMemCreate of 2149580800 bytes on cuda:0: out of memory (2)"));
  EXPECT_THAT(error_of([&] {
                (void)VmmArena::reserve({vmm, 1}, {kMiB, 0, 0}, {});
              }).failure(),
              HasSubstr("cuMemGetAllocationGranularity on cuda:1"));
}

TEST_F(DriverVmm, NamesWhatADriverLacks) {
  EXPECT_EQ(error_of([] { (void)driver_vmm("libcuda-that-is-not.so"); }).code(), Code::refused);
  const auto error = error_of([] { (void)driver_vmm(LIBCUDA_WITHOUT_VMM); });
  EXPECT_EQ(error.code(), Code::refused);
  EXPECT_THAT(error.failure(), HasSubstr("has no cu"));
}

}  // namespace
}  // namespace cardswap::cuda
