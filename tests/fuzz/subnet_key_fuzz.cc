// SPDX-License-Identifier: Apache-2.0
// Whatever a key is called: one that is taken is exactly what we would have written.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/lease.h"
#include "fuzz/expect.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto key = flannel::decode_subnet_key(text);
  if (key) {
    FUZZ_EXPECT(flannel::encode_subnet_key(*key) == text);
    FUZZ_EXPECT(key->v4 || key->v6);
    FUZZ_EXPECT((!key->v4 || key->v4->bits <= 31) && (!key->v6 || key->v6->bits <= 127));
  } else {
    FUZZ_EXPECT(key.error().text.size() < 1000);
  }
  return 0;
}
