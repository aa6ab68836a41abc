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
  if (!previous) return 0;
  FUZZ_EXPECT(previous->v4 || previous->v6);
  for (const flannel::Family family : flannel::kFamilies) {
    const auto& subnet = previous->at(family);
    if (!subnet) continue;
    FUZZ_EXPECT(subnet->family() == family);
    FUZZ_EXPECT(*subnet == flannel::IpPrefix::of(subnet->base, subnet->bits));
    if (subnet->host_bits() == 0) return 0;  // no host's subnet; +1 would leave it
  }
  flannel::SubnetEnv env;
  env.subnet = previous->v4;
  env.subnet6 = previous->v6;
  FUZZ_EXPECT(flannel::decode_previous_subnet(flannel::encode_subnet_env(env)) == previous);
  return 0;
}
