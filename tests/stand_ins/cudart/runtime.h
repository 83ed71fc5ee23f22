#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cuda/cudart.h"

namespace cardswap::test {

/// A stand-in for CUDA's runtime with one card. The card's memory is this host's, but mapped
/// without access at its address, so that the host crashes when it touches it. Streams do their
/// work as late as they may: when an event is waited for or asked about, and only in the order that
/// events and streams require. So code that forgets to order its work reads old bytes. Any thread.
class StandInCudart final : public cuda::Cudart {
 public:
  StandInCudart();
  ~StandInCudart() override;

  // ---- for tests
  /// The bytes behind an address of the card.
  [[nodiscard]] std::byte* behind(const void* memory);
  /// Makes a stream as a program has one; work() gives it a kernel.
  [[nodiscard]] cuda::Stream program_stream();
  void work(cuda::Stream stream, std::function<void()> kernel);
  /// The `number`-th call named `call` from now on returns `status`, once.
  void fail(const std::string& call, cuda::Status status, unsigned number = 1);
  /// The names of the calls so far, in order; and how often one was made.
  [[nodiscard]] std::vector<std::string> calls();
  [[nodiscard]] std::size_t count(const std::string& call);
  void forget_calls();
  /// Leaves `bytes` of the card's memory free; the rest counts as taken by others.
  void leave_free(std::size_t bytes);
  /// Whether the calling thread has chosen this card, as libraries that it calls expect.
  [[nodiscard]] bool is_entered();
  /// Adds memory of the card that another stand-in made; `behind` are its bytes. Its maker removes
  /// and unmaps it.
  void add_memory(std::byte* at, std::size_t bytes, std::byte* behind);
  void remove_memory(std::byte* at);
  /// Does all work that is in any stream.
  void finish();
  /// What was made and not released, in one line; "": nothing.
  [[nodiscard]] std::string leaks();

  // ---- Cudart
  cuda::Status device_count(int& count) override;
  cuda::Status set_device(int device) override;
  cuda::Status properties(int device, cuda::Properties& properties) override;
  cuda::Status memory_info(std::size_t& free, std::size_t& total) override;
  cuda::Status allocate(void*& memory, std::size_t bytes) override;
  cuda::Status release(void* memory) override;
  cuda::Status allocate_host(void*& memory, std::size_t bytes) override;
  cuda::Status release_host(void* memory) override;
  cuda::Status make_stream(cuda::Stream& stream) override;
  cuda::Status release_stream(cuda::Stream stream) override;
  cuda::Status make_event(cuda::Event& event) override;
  cuda::Status release_event(cuda::Event event) override;
  cuda::Status record(cuda::Event event, cuda::Stream stream) override;
  cuda::Status wait(cuda::Stream stream, cuda::Event event) override;
  cuda::Status query(cuda::Event event) override;
  cuda::Status synchronize(cuda::Event event) override;
  cuda::Status copy(void* to, const void* from, std::size_t bytes, cuda::Stream stream) override;
  cuda::Status digest(const cuda::DigestPlan& plan, cuda::Stream stream) override;
  cuda::Status gather(const cuda::GatherPlan& plan, cuda::Stream stream) override;
  std::string text(cuda::Status status) override;

 private:
  struct Work {
    std::function<void()> act;
    int after_stream = 0;  ///< a stream that must come first, up to `after_work`; 0: none
    std::uint64_t after_work = 0;
  };
  struct Queue {
    std::deque<Work> works;
    std::uint64_t given = 0;
    std::uint64_t done = 0;
  };
  struct Recorded {
    int stream = 0;
    std::uint64_t work = 0;
  };
  struct Memory {
    std::size_t bytes = 0;
    std::byte* behind = nullptr;
    bool others = false;
  };

  cuda::Status called(const char* call);
  void give(cuda::Stream stream, Work work);
  void run(int stream, std::uint64_t up_to);
  std::byte* translate(const void* memory);
  void digest_now(const cuda::DigestPlan& plan);
  void gather_now(const cuda::GatherPlan& plan);

  std::recursive_mutex mutex_;
  std::vector<std::string> calls_;
  std::map<std::string, std::pair<cuda::Status, unsigned>> failures_;
  std::map<std::byte*, Memory> memory_;
  std::map<void*, std::size_t> pinned_;
  std::map<int, Queue> streams_;
  std::map<int, Recorded> events_;
  std::set<int> programs_;
  std::optional<std::size_t> free_;
  std::set<std::thread::id> entered_;
  int next_ = 1;
};

}  // namespace cardswap::test
