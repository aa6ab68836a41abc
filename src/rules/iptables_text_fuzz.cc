// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "rules/docker_rules.h"
#include "rules/iptables_text.h"

namespace {

void look_at(std::string_view text, const flannel::IpPrefix& network,
             const flannel::IpPrefix& subnet) {
  using namespace flannel;
  const RuleSet rules = plan_rules(network, subnet, {.masquerade = true});
  const DockerWish wish{
      rules.network, subnet, {.devices = {{"flannel.1", network.family()}}, .underlay = "eth0"}};
  (void)docker_change(wish, parse_iptables_tables(text));
  (void)removal_of_network(rules, text);
  (void)removal_of_all(text);
  for (const char* name : {"nat", "filter"}) {
    const IptablesTable table = parse_iptables(text, name);
    for (const auto moment : {IptablesMoment::start, IptablesMoment::resync}) {
      (void)nat_change(rules, table, moment);
      (void)filter_change(rules, table, moment);
    }
    (void)nat_removal(table);
    (void)filter_removal(table);
    (void)forward_may_drop(table);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const auto prefix = [](const char* of) { return flannel::IpPrefix::parse(of).value(); };
  look_at(text, prefix("10.5.0.0/16"), prefix("10.5.1.0/24"));
  look_at(text, prefix("fd00:5::/48"), prefix("fd00:5:0:1::/64"));
  return 0;
}
