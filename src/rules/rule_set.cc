// SPDX-License-Identifier: Apache-2.0
#include "rules/rule_set.h"

namespace flannel {
namespace {

AddressMatch in(const Cidr4& net) {
  return {net, false};
}
AddressMatch not_in(const Cidr4& net) {
  return {net, true};
}

}  // namespace

RuleSet plan_rules(const Cidr4& network, const Cidr4& subnet, const RuleOptions& options) {
  const Cidr4 multicast{Ip4::of(224, 0, 0, 0), 4};
  RuleSet rules{
      .network = network, .masquerade = {}, .forward = {}, .fully_random = options.fully_random};
  if (options.masquerade) {
    rules.masquerade = {
        {{}, {}, true, Verdict::leave},
        {in(subnet), in(network), false, Verdict::leave},
        {in(network), in(subnet), false, Verdict::leave},
        {not_in(network), in(subnet), false, Verdict::leave},
        {in(network), not_in(multicast), false, Verdict::masquerade},
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
