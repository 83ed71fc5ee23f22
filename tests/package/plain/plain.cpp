#include <cardswap/session.h>

int main() {
  int step = 0;
  auto session = cardswap::Session::open();
  session.track("step", step);
  return session.step_boundary() == cardswap::StepResult::proceed ? 0 : 1;
}
