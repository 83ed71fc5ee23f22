#pragma once

#include <sqlite3.h>

#include <memory>

namespace cardswap {

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
/// A prepared one; it dies before its connection.
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

}  // namespace cardswap
