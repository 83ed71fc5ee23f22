#pragma once

#include <boost/json/object.hpp>

namespace cardswap {

struct Job;

/// A job as the journal keeps it: everything that a restarted agent needs.
[[nodiscard]] boost::json::object to_journal(const Job& job);
[[nodiscard]] Job job_from_journal(const boost::json::object& record);

}  // namespace cardswap
