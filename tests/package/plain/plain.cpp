#include <cardswap/session.h>

#include <cstdio>

/// What is wrong with the set-up is caught by its own type, and says what and what to do about it.
bool says_what_is_wrong(cardswap::Session& session, int& thing) {
  try {
    session.track("step", thing);
  } catch (const cardswap::Error& error) {
    std::printf("%s: %s\n", cardswap::to_string(error.code()).data(), error.what());
    return error.code() == cardswap::Code::bad_request && !error.failure().empty();
  }
  return false;
}

int main() {
  int step = 0;
  auto session = cardswap::Session::open();
  session.track("step", step);
  if (!says_what_is_wrong(session, step)) return 1;  // the name is taken
  return session.step_boundary() == cardswap::StepResult::proceed ? 0 : 1;
}
