// SPDX-License-Identifier: Apache-2.0
// Whatever a stranger wrote as a lease: what is read is written and read again as the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/lease.h"
#include "fuzz/expect.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lease = flannel::decode_lease_value(text);
  if (!lease) {
    FUZZ_EXPECT(lease.error().kind == flannel::ErrorKind::invalid);
    FUZZ_EXPECT(!lease.error().text.empty() && lease.error().text.size() < 1000);
    return 0;
  }
  const std::string written = flannel::encode_lease_value(*lease);
  FUZZ_EXPECT(written.find_first_of("<>&") == std::string::npos);
  FUZZ_EXPECT(flannel::decode_lease_value(written) == *lease);
  return 0;
}
