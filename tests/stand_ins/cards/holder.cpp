// cardswap-holder on a machine with the stand-ins' card.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "runtime/holder/custody.h"
#include "runtime/holder/receive.h"
#include "tests/stand_ins/cards/cards.h"

int main(int argc, char** argv) {
  try {
    const std::string what = argc > 2 ? argv[1] : "";
    if (what == "--custody" && argc == 5)
      return cardswap::take_custody(argv[2], std::atoi(argv[4]));
    if (what != "--hand-over") return 2;
    const cardswap::test::StandInCard card;
    return cardswap::receive_and_hand_over(argv[2], [&card](int) { return card.device; });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "card_holder: %s\n", error.what());
  }
  return 1;
}
