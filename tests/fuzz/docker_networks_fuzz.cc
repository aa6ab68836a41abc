// SPDX-License-Identifier: Apache-2.0
// Docker's list of networks, whatever is in it: a network is made only if no other one has its name
// or overlaps its subnets, and a refusal in Docker's words stays one line.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "docker/docker_messages.h"
#include "fuzz/expect.h"

namespace {

using namespace flannel;

void check_step(const WishedNetwork& wished, const std::vector<DockerNetwork>& there) {
  const DockerStep step = next_step(wished, there);
  FUZZ_EXPECT(!step.make || !step.problem);
  for (const DockerNetwork& one : there) {
    FUZZ_EXPECT(!one.name.empty());
    if (!step.make) continue;
    FUZZ_EXPECT(one.name != wished.name);
    for (const IpPrefix& subnet : one.subnets) {
      for (const IpPrefix& own : values_of(wished.subnet))
        FUZZ_EXPECT(own.family() != subnet.family() || !own.overlaps(subnet));
    }
  }
  if (!step.problem) return;
  FUZZ_EXPECT(!step.problem->text.empty() && step.problem->remedy.find('{') == std::string::npos);
  FUZZ_EXPECT(std::ranges::none_of(step.problem->text, [](char one) { return one == '\n'; }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto refusal =
      docker_answer({.head = {.status = 500, .headers = {}}, .body = std::string(text)}, "ask");
  FUZZ_EXPECT(!refusal && refusal.error().text.size() < 2000);
  FUZZ_EXPECT(refusal.error().text.find('\n') == std::string::npos);
  const auto there = parse_docker_networks(text);
  if (!there) {
    FUZZ_EXPECT(there.error().text.size() < 1000);
    return 0;
  }
  const IpPrefix v4 = IpPrefix::parse("10.5.34.0/24").value();
  const IpPrefix v6 = IpPrefix::parse("fd00:5:0:22::/64").value();
  for (const SubnetKey& subnet : {SubnetKey{v4, {}}, SubnetKey{v4, v6}, SubnetKey{{}, v6}}) {
    check_step({.name = "flannel", .subnet = subnet, .mtu = 1450, .overlay = "10.5.0.0/16"},
               *there);
  }
  return 0;
}
