// SPDX-License-Identifier: Apache-2.0
#include "rules/rule_set.h"

namespace flannel {
namespace {

AddressMatch in(const IpPrefix& net) {
  return {net, false};
}
AddressMatch not_in(const IpPrefix& net) {
  return {net, true};
}

IpPrefix multicast(Family family) {
  if (family == Family::v4) return {IpAddress::v4(224, 0, 0, 0), 4};
  return {IpAddress::v6({0xff}), 8};
}

}  // namespace

RuleSet plan_rules(const IpPrefix& network, const IpPrefix& subnet, const RuleOptions& options,
                   std::span<const IpPrefix> strangers) {
  RuleSet rules{.network = network, .fully_random = options.fully_random};
  for (const IpPrefix& stranger : strangers) {
    rules.separate.push_back({in(network), in(stranger), false, Verdict::drop});
    rules.separate.push_back({in(stranger), in(network), false, Verdict::drop});
  }
  if (options.masquerade) {
    rules.masquerade = {
        {{}, {}, true, Verdict::leave},
        {in(subnet), in(network), false, Verdict::leave},
        {in(network), in(subnet), false, Verdict::leave},
        {not_in(network), in(subnet), false, Verdict::leave},
        {in(network), not_in(multicast(network.family())), false, Verdict::masquerade},
        {not_in(network), in(network), false, Verdict::masquerade},
    };
  }
  if (options.forward) {
    rules.forward = {
        {in(network), {}, false, Verdict::accept},
        {{}, in(network), false, Verdict::accept},
    };
  }
  return rules;
}

}  // namespace flannel
