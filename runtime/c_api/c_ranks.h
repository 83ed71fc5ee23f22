#pragma once

#include <cardswap/c.h>

#include "runtime/roles/communicators.h"

namespace cardswap::c_api {

/// The communicators of a program in another language, which is called through its callbacks. A
/// callback that fails throws Error{refused} with the text of cardswap_fail(). A callback that is
/// null does nothing, except that without build() no gang goes further.
class Ranks final : public Communicators {
 public:
  Ranks(const cardswap_communicators& callbacks, void* self);

  void build(const NextRanks& next) override;
  void roll_back() override { call(callbacks_.roll_back); }
  void close_old() override { call(callbacks_.close_old); }
  void trip() override { call(callbacks_.trip); }
  void exchange() override { call(callbacks_.exchange); }
  CommunicatorTimes took() override;

 private:
  void call(int (*callback)(void*)) const;

  cardswap_communicators callbacks_{};
  void* const self_;
};

}  // namespace cardswap::c_api
