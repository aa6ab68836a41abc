// SPDX-License-Identifier: Apache-2.0
// Whatever stands in subnet.env: a subnet that is found is found again in what we write.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/subnet_env.h"
#include "fuzz/expect.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto previous = flannel::decode_previous_subnet(text);
  if (previous) FUZZ_EXPECT(*previous == flannel::IpPrefix::of(previous->base, previous->bits));
  flannel::SubnetEnv env;
  env.subnet = previous;
  if (previous && previous->bits > 31) return 0;  // no host's subnet; +1 would leave it
  FUZZ_EXPECT(flannel::decode_previous_subnet(flannel::encode_subnet_env(env)) == previous);
  return 0;
}
