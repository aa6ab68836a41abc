// SPDX-License-Identifier: Apache-2.0
#include "core/record_limits.h"

#include <fmt/format.h>

#include <functional>
#include <utility>

#include "base/printable.h"

namespace flannel {

std::string key_within_limits(std::string key) {
  if (key.size() <= kMaxRecordKey) return key;
  // The result is longer than any unchanged key, so the two cannot be equal.
  return fmt::format("{}#{:016x}", shortened(key), std::hash<std::string>{}(key));
}

Record within_limits(Record record) {
  record.key = key_within_limits(std::move(record.key));
  if (record.value.size() > kMaxRecordValue || !decode_subnet_key(record.key)) {
    record.left_out = record.value.size();
    std::string().swap(record.value);  // frees its memory
  }
  return record;
}

Result<LeaseAttributes> decode_lease(const Record& record) {
  const std::size_t size = record.left_out + record.value.size();
  if (size > kMaxRecordValue) {
    return fail(ErrorKind::invalid,
                fmt::format("the lease: {} bytes, more than {}", size, kMaxRecordValue));
  }
  return decode_lease_value(record.value);
}

}  // namespace flannel
