#pragma once

#include <functional>
#include <map>
#include <stdexcept>
#include <string>

namespace cardswap::test {

/// Whether the thing that was opened is still what it was; an empty function: it cannot be checked.
using Check = std::function<bool()>;
/// Opens one thing and keeps it open; its files are made in `dir`. Throws Missing if the machine
/// has no such thing.
using Open = std::function<Check(const std::string& dir)>;

/// The kinds of open things with which a process can be moved by CRIU, and those with which it must
/// stay.
[[nodiscard]] std::map<std::string, Open> kinds_that_move();
[[nodiscard]] std::map<std::string, Open> kinds_that_stay();

/// This machine has no such thing.
struct Missing : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Returns `result`; throws Missing with `doing` if it is negative.
int must(long result, const char* doing);
void* must_map(void* address);

Open socket_of(int family, int type, int protocol = 0);
Open file(const std::string& path, int flags = 0);
Open anonymous_memory(int flags, const std::function<int(void*, std::size_t)>& with = {});
Open timer(int clock);
/// A child process that calls `does` and then waits.
Open child(const std::function<void()>& does);

}  // namespace cardswap::test
