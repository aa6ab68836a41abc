// SPDX-License-Identifier: Apache-2.0
// What Docker's own rules need so that the overlay reaches containers behind its bridge.
// docs/docker.md.
//
//   raw     PREROUTING ──▶ FLANNEL-DOCKER    ahead of Docker's drops; Docker 28 and later
//   filter  DOCKER-USER ──▶ FLANNEL-DOCKER   Docker asks it before it drops
//   nat     POSTROUTING: an accept           ahead of Docker's masquerading of this subnet
//
// An accept in a table of ours overrules no drop in Docker's, so these are in Docker's tables,
// whichever packet filter we use ourselves.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"
#include "rules/iptables_text.h"
#include "rules/rule_set.h"

namespace flannel {

// How packets of other hosts and their containers come into this one.
struct OverlayIngress {
  std::vector<std::string> devices{};  // of ours; sources are inside of the network
  std::string underlay{};              // what brings the packets of `neighbours`
  std::vector<Ip4> neighbours{};       // peers that send unwrapped: host-gw, DirectRouting; sorted
  bool operator==(const OverlayIngress&) const = default;
};

struct DockerWish {
  Cidr4 network, subnet;
  OverlayIngress ingress;
};

// The interfaces for which no rule can be written: iptables takes their names for many.
std::vector<std::string> unmatched(const OverlayIngress& ingress);

struct IptablesTables {
  IptablesTable nat, filter, raw;
};
IptablesTables parse_iptables_tables(std::string_view saved);

// Input for `iptables-restore --noflush` that makes Docker's tables let the overlay in, and nothing
// else; empty: they do already, or have no rules of Docker. Where Docker's rules are gone, ours go.
std::string docker_change(const DockerWish& wish, const IptablesTables& have);

// Input that removes what is for `network`; empty: there is nothing. What another flannel on this
// host has there stays.
std::string docker_removal(const Cidr4& network, const IptablesTables& have);

// Input that makes every table free of what does the same as `rules`, which stand elsewhere, and of
// what docker_change() puts there for their network. `saved`: what iptables-save printed.
std::string removal_of_network(const RuleSet& rules, std::string_view saved);

// The same for whatever network it was.
std::string removal_of_all(std::string_view saved);

}  // namespace flannel
