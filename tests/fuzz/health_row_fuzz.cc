// SPDX-License-Identifier: Apache-2.0
// Whatever a stranger wrote as a row: what is read is short, and is written and read again as the
// same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/health_row.h"
#include "fuzz/expect.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto row = flannel::decode_health_row(text);
  if (!row) {
    FUZZ_EXPECT(row.error().kind == flannel::ErrorKind::invalid);
    FUZZ_EXPECT(!row.error().text.empty() && row.error().text.size() < 1000);
    return 0;
  }
  for (const auto& [state, peers] : row->others)
    FUZZ_EXPECT(std::ranges::find(flannel::kHealthStates, state) != flannel::kHealthStates.end());
  const std::string written = flannel::encode_health_row(*row);
  FUZZ_EXPECT(written.size() <= flannel::kMostHealthRow);
  const auto again = flannel::decode_health_row(written);
  FUZZ_EXPECT(again.has_value());
  FUZZ_EXPECT(again->ok == row->ok && again->node == row->node && again->rtt == row->rtt);
  return 0;
}
