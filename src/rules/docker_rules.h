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

struct IptablesTables {
  IptablesTable nat, filter, raw;
};
IptablesTables parse_iptables_tables(std::string_view saved);

// Input for `iptables-restore --noflush` that makes Docker's tables let the overlay in, and nothing
// else; empty: they do already, or have no rules of Docker. Where Docker's rules are gone, ours go.
std::string docker_change(const DockerWish& wish, const IptablesTables& have);

// Input that removes all of it, whatever network it was for; empty: there is nothing.
std::string docker_removal(const IptablesTables& have);

// Everything of ours in every table, masquerading and forwarding too, out of what iptables-save
// printed.
std::string removal_of_all(std::string_view saved);

}  // namespace flannel
