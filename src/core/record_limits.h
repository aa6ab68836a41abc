// SPDX-License-Identifier: Apache-2.0
// Limits on a record of the store. Any client that may write to the store can write keys and values
// of megabytes, and every host would hold all of them in memory.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/lease.h"
#include "core/store_feed.h"

namespace flannel {

// A lease of any flannel has less than 1 kB: a backend adds a key or an address.
inline constexpr std::size_t kMaxRecordValue = 8192;
// Longer keys are no subnet keys. They are identified by a hash, and shown by their beginning.
inline constexpr std::size_t kMaxRecordKey = 80;

// The record as the program holds it: without its value if that is too long or if the key names no
// subnet. Record::left_out is the length of the omitted value. Each store applies this to its
// records.
Record within_limits(Record record);
std::string key_within_limits(std::string key);

// The lease of the record; if its value was left out, an error with the reason.
Result<LeaseAttributes> decode_lease(const Record& record);

}  // namespace flannel
