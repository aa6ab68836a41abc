// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "rules/docker_rules.h"
#include "rules/iptables_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flannel;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const RuleSet rules =
      plan_rules(IpPrefix::of(IpAddress::v4(10, 5, 0, 0), 16),
                 IpPrefix::of(IpAddress::v4(10, 5, 1, 0), 24), {.masquerade = true});
  const DockerWish wish{rules.network,
                        IpPrefix::of(IpAddress::v4(10, 5, 1, 0), 24),
                        {.devices = {"flannel.1"}, .underlay = "eth0"}};
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
  return 0;
}
