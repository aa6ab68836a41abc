// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/gzip.h"
#include "core/kept_state.h"
#include "core/record_limits.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)flannel::gunzipped(text, 1 << 16);
  const auto restored = flannel::decode_kept_state(text);
  if (!restored) return 0;
  const auto& records = restored->snapshot.records;
  if (!std::ranges::is_sorted(records, {}, &flannel::Record::key)) std::abort();
  if (std::ranges::count(records, restored->state.lease.record) < 1) std::abort();
  for (const flannel::Record& record : records)
    (void)flannel::decode_lease(record);
  flannel::HostClock now = restored->state.saved;
  (void)flannel::end_of_kept_lease(restored->state, now);
  now.boot += "x";
  now.by_server = now.by_hardware = true;
  (void)flannel::end_of_kept_lease(restored->state, now);
  return 0;
}
