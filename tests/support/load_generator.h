#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace cardswap::test {

/// Many clients of an agent's TCP port at once, from this process: `asking` ones send request after
/// request; `slow` ones send a byte of a request now and then and never end it. A client whose
/// connection is ended connects again.
class LoadGenerator {
 public:
  LoadGenerator(std::uint16_t port, int asking, int slow);
  ~LoadGenerator();
  LoadGenerator(const LoadGenerator&) = delete;
  LoadGenerator& operator=(const LoadGenerator&) = delete;

  /// Whole answers so far.
  [[nodiscard]] std::uint64_t answers() const { return answers_; }
  /// Connections that the agent has ended so far.
  [[nodiscard]] std::uint64_t thrown_out() const { return thrown_out_; }
  /// Connections that are open now.
  [[nodiscard]] std::uint64_t open() const { return open_; }

 private:
  void run(const std::stop_token& stop, std::uint16_t port, int asking, int slow);

  std::atomic<std::uint64_t> answers_{0};
  std::atomic<std::uint64_t> thrown_out_{0};
  std::atomic<std::uint64_t> open_{0};
  std::jthread thread_;
};

}  // namespace cardswap::test
