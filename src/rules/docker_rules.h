// SPDX-License-Identifier: Apache-2.0
// Rules in Docker's tables that let the overlay reach containers behind its bridge. docs/docker.md.
//
//   raw     PREROUTING ──▶ FLANNEL-DOCKER    ahead of Docker's drops; Docker 28 and later
//   filter  DOCKER-USER ──▶ FLANNEL-DOCKER   Docker asks it before it drops
//   nat     POSTROUTING: an accept           ahead of Docker's masquerading of this subnet
//
// An accept in a table of ours overrules no drop in Docker's. So these rules are in Docker's
// tables, with either kind of packet filter. In ip6tables they are the same; there Docker before 27
// has no DOCKER-USER, and what its policy would drop is accepted by our rule set.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"
#include "rules/iptables_text.h"
#include "rules/rule_set.h"

namespace flannel {

// A device of ours by which packets of this family arrive; their sources are in the network.
struct IngressDevice {
  std::string name;
  Family family = Family::v4;
  bool operator==(const IngressDevice&) const = default;
};

// How packets of other hosts and their containers arrive at this host.
struct OverlayIngress {
  std::vector<IngressDevice> devices{};  // a device of both families is in it twice
  std::string underlay{};                // the interface at which packets of `neighbours` arrive
  // Peers that send packets of the address's family unwrapped: host-gw, DirectRouting; sorted.
  std::vector<IpAddress> neighbours{};
  bool operator==(const OverlayIngress&) const = default;
};

// The part of `ingress` that concerns packets of this family.
OverlayIngress of_family(const OverlayIngress& ingress, Family family);

// All of one family.
struct DockerWish {
  IpPrefix network, subnet;
  OverlayIngress ingress;
};

// The interfaces for which no rule can be written, because iptables would take their names as
// patterns.
std::vector<std::string> unmatched(const OverlayIngress& ingress);

struct IptablesTables {
  IptablesTable nat, filter, raw, mangle;
};
IptablesTables parse_iptables_tables(std::string_view saved);

// Input for `iptables-restore --noflush` that adds to Docker's tables the rules for `wish`, and
// removes other rules of ours there. Empty if the tables have just these, or have no rules of
// Docker. Where Docker's rules are gone, ours are removed.
std::string docker_change(const DockerWish& wish, const IptablesTables& have);

// Input that removes our rules for `network` from Docker's tables; empty if there are none. Rules
// of another flannel on this host stay.
std::string docker_removal(const IpPrefix& network, const IptablesTables& have);

// Input that removes from every table what does the same as `rules`, which another packet filter
// has now, and what docker_change() adds for their network. `saved`: the output of iptables-save.
std::string removal_of_network(const RuleSet& rules, std::string_view saved);

// The same for every network.
std::string removal_of_all(std::string_view saved);

}  // namespace flannel
