#include "migrator/base/token.h"

#include <openssl/crypto.h>

namespace cardswap {

bool is_same_token(std::string_view ours, std::string_view shown) {
  return ours.size() == shown.size() && CRYPTO_memcmp(ours.data(), shown.data(), ours.size()) == 0;
}

}  // namespace cardswap
