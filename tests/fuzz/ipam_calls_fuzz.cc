// SPDX-License-Identifier: Apache-2.0
// Whatever a process on the plugin's socket sends: the path of a call in the first line, its body
// after that. No address is given out twice, and what is written down can be read again.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "docker/docker_pools_file.h"
#include "docker/ipam_calls.h"
#include "fuzz/expect.h"

namespace {

using namespace flannel;

class TwoNetworks : public PoolHost {
 public:
  std::vector<std::string> networks() override { return {"blue", "green"}; }
  Result<SubnetKey> subnets(const std::string& network) override {
    if (network == "blue") return SubnetKey::of(IpPrefix::parse("10.5.34.0/29").value());
    return SubnetKey{IpPrefix::parse("10.6.34.0/30").value(),
                     IpPrefix::parse("fd00:5:0:22::/64").value()};
  }
  std::uint32_t mtu(const std::string&) override { return 1450; }
  std::string device_in(const IpPrefix&) override { return ""; }
  std::string route_over(const IpPrefix&) override { return ""; }
};

void check_file(const DockerPools::State& state) {
  const auto again = decode_docker_pools(encode_docker_pools(state));
  FUZZ_EXPECT(again && *again == state);
}

void check(const DockerPools& pools) {
  check_file(pools.state());
  for (const AddressPool& pool : pools.state().pools) {
    for (const auto& [address, use] : pool.state().addresses)
      FUZZ_EXPECT(pool.subnet().contains(address) && address != pool.subnet().base);
  }
}

void apply(const ipam::Call& call, DockerPools& pools, PoolHost& host) {
  if (const auto* pool = std::get_if<PoolRequest>(&call)) {
    if (const auto given = pools.request_pool(*pool, host); given && pool->subnet)
      FUZZ_EXPECT(*given == *pool->subnet);
  } else if (const auto* one = std::get_if<AddressRequest>(&call)) {
    std::set<IpAddress> given;
    for (int i = 0; i < 9 && !one->address && !one->is_gateway; ++i) {
      if (const auto address = pools.request_address(*one, host))
        FUZZ_EXPECT(given.insert(*address).second);
    }
    if (const auto address = pools.request_address(*one, host))
      FUZZ_EXPECT(one->pool.contains(*address));
  } else if (const auto* gone = std::get_if<ipam::ReleasePool>(&call)) {
    pools.release_pool(gone->pool);
  } else if (const auto* back = std::get_if<ipam::ReleaseAddress>(&call)) {
    pools.release_address(back->pool, back->address);
  } else {
    pools.activate();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view path = text.substr(0, text.find('\n'));
  const std::string_view body = path.size() < size ? text.substr(path.size() + 1) : "";
  const auto call = ipam::parse_call(path, body);
  if (!call) {
    FUZZ_EXPECT(!ipam::error_answer(path, call.error()).body.empty());
    (void)decode_docker_pools(body);
    return 0;
  }
  TwoNetworks host;
  DockerPools pools;
  // Both before and after the networks are made.
  apply(*call, pools, host);
  (void)pools.request_pool({.network = "blue"}, host);
  (void)pools.request_pool({.network = "green"}, host);
  (void)pools.request_pool({.network = "green", .family = Family::v6}, host);
  apply(*call, pools, host);
  apply(*call, pools, host);
  check(pools);
  if (const auto state = decode_docker_pools(body)) check_file(*state);
  return 0;
}
