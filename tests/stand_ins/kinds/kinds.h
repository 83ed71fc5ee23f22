#pragma once

#include <functional>
#include <map>
#include <stdexcept>
#include <string>

namespace cardswap::test {

/// Whether what was opened still is what it was; empty: there is nothing to look at.
using Check = std::function<bool()>;
/// Opens one thing and keeps it; `dir` is for its files.
using Open = std::function<Check(const std::string& dir)>;

[[nodiscard]] std::map<std::string, Open> kinds_that_move();
[[nodiscard]] std::map<std::string, Open> kinds_that_stay();

/// This machine has no such thing.
struct Missing : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// `result`; throws Missing with what failed where it is negative.
int must(long result, const char* doing);
void* must_map(void* address);

Open socket_of(int family, int type, int protocol = 0);
Open file(const std::string& path, int flags = 0);
Open anonymous_memory(int flags, const std::function<int(void*, std::size_t)>& with = {});
Open timer(int clock);
/// A child that does this and then waits.
Open child(const std::function<void()>& does);

}  // namespace cardswap::test
