// SPDX-License-Identifier: Apache-2.0
// Whatever stands in subnet.env: a subnet that is found is found again in what we write.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/subnet_env.h"
#include "fuzz/expect.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const flannel::PreviousSubnet previous = flannel::decode_previous_subnet(text);
  for (const auto& net : {previous.network, previous.subnet}) {
    if (net) FUZZ_EXPECT(*net == flannel::Cidr4::of(net->base, net->bits));
  }
  flannel::SubnetEnv env;
  env.network = previous.network;
  env.subnet = previous.subnet;
  if (env.subnet && env.subnet->bits > 31) return 0;  // no host's subnet; +1 would leave it
  FUZZ_EXPECT(flannel::decode_previous_subnet(flannel::encode_subnet_env(env)) == previous);
  return 0;
}
