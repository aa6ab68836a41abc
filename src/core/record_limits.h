// SPDX-License-Identifier: Apache-2.0
// What is taken from the store of one record. A store lets anybody who may write have keys and
// values of megabytes; every host would hold each of them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/lease.h"
#include "core/registry.h"

namespace flannel {

// A lease of any flannel has less than 1 kB; what a backend puts into it is a key or an address.
inline constexpr std::size_t kMaxRecordValue = 8192;
// Longer keys are no subnet keys. They are told apart by a hash, and shown by their beginning.
inline constexpr std::size_t kMaxRecordKey = 80;

// The record as the program holds it: without its value if that is too long, or if the key names no
// subnet. Record::left_out says how long it was. Each store passes on its records so.
Record within_limits(Record record);
std::string key_within_limits(std::string key);

// What the record says; for one whose value was left out, why that was.
Result<LeaseAttributes> decode_lease(const Record& record);

}  // namespace flannel
