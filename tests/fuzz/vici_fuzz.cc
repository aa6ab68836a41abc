// SPDX-License-Identifier: Apache-2.0
// What charon says: a stream of packets, and one packet, which is written as it was read.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "charon/vici_message.h"
#include "fuzz/expect.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flannel;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string stream(bytes);
  for (;;) {
    const auto packet = take_vici(stream);
    if (!packet || !*packet) break;
    (void)decode_vici(**packet);
  }
  const auto packet = decode_vici(bytes);
  if (!packet) return 0;
  std::string written = encode_vici(*packet);
  if (written.size() > kLongestViciPacket) return 0;
  const auto again = decode_vici(take_vici(written).value().value());
  FUZZ_EXPECT(again.has_value() && *again == *packet);
  return 0;
}
