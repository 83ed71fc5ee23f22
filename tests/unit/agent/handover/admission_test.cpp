#include "agent/handover/target/admission.h"

#include <gmock/gmock.h>

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

AdmissionRequest request_for(std::uint64_t bytes) {
  AdmissionRequest request;
  request.job = "gpt";
  request.device = "cpu:0";
  request.state_bytes = bytes;
  request.devices = {{"cpu:0", "cpu", "", "", 1000, 400, 600, {}}};
  request.host = "gpu-b";
  return request;
}

TEST(Admission, TakesWhatFits) { EXPECT_THAT(admit(request_for(600)).blocked_reasons, IsEmpty()); }

TEST(Admission, SaysWhatIsFreeAndWhatIsNeeded) {
  const auto admission = admit(request_for(601));
  EXPECT_TRUE(admission.no_memory);
  EXPECT_THAT(admission.blocked_reasons,
              ElementsAre("600 B free on cpu:0, 601 B needed for job gpt"));
}

TEST(Admission, GivesEveryReasonAtOnce) {
  auto request = request_for(1);
  request.device = "cpu:9";
  request.name_is_taken = true;
  EXPECT_THAT(admit(request).blocked_reasons,
              ElementsAre("no device cpu:9 on gpu-b; it has cpu:0", HasSubstr("another job")));
}

TEST(Admission, TakesNoJobThatIsHereOrComesFromElsewhereToo) {
  auto request = request_for(1);
  request.by = "gpu-x";
  request.open_reservations = kReservationsMax - 1;
  EXPECT_THAT(admit(request).blocked_reasons, IsEmpty());
  request.open_reservations = kReservationsMax;
  request.uid_is_taken = request.is_on_its_way = true;
  EXPECT_THAT(admit(request).blocked_reasons,
              ElementsAre(HasSubstr("under another name"), HasSubstr("on its way"),
                          HasSubstr("gpu-x holds 64 places on gpu-b, and an agent may hold 64")));
}

}  // namespace
}  // namespace cardswap
