#include "runtime/process_hello.h"

#include <unistd.h>

#include <utility>

namespace cardswap {

channel::Hello hello_of_process(std::string job, std::string token, channel::Role role,
                                std::string framework) {
  channel::Hello hello;
  hello.job = std::move(job);
  hello.token = std::move(token);
  hello.pid = static_cast<std::uint64_t>(::getpid());
  hello.role = role;
  hello.runtime_version = CARDSWAP_VERSION;
  hello.framework = std::move(framework);
  return hello;
}

}  // namespace cardswap
