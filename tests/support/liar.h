#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <random>
#include <string>

#include "tests/support/scripted_peer.h"

namespace cardswap::test {

/// The answers of an agent that is of another release, broken or hostile, made at random from a
/// seed: JSON of any form, right fields of wrong types, impossible states, other epochs, errors,
/// delays, and connections that are cut anywhere. One thread.
class Liar {
 public:
  explicit Liar(std::uint64_t seed) : random_(seed) {}

  /// Answers as the target of migrations under epoch 2, right often enough that more is asked. It
  /// never tells a state in which a migration may be committed.
  [[nodiscard]] ScriptedPeer::Answer as_target(const ScriptedPeer::Asked& asked);
  /// Answers as the source when a target in doubt asks for a decision: it never tells one.
  [[nodiscard]] ScriptedPeer::Answer as_source();

  [[nodiscard]] bool chance(double share) {
    return std::uniform_real_distribution<>(0, 1)(random_) < share;
  }
  [[nodiscard]] std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }

 private:
  boost::json::value anything(int depth);
  boost::json::object status();
  void spoil(boost::json::object& answer);
  ScriptedPeer::Answer on_the_way(std::string body);

  std::mt19937_64 random_;
  std::uint64_t version_ = 1;
};

}  // namespace cardswap::test
