// SPDX-License-Identifier: Apache-2.0
// What a packet filter has to do for the network, whichever kind it is. docs/firewall.md.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "net/address.h"

namespace flannel {

// Kubernetes marks packets with it that are to be masqueraded by rules of its own.
inline constexpr std::uint32_t kForeignMasqueradeMark = 0x4000;

struct AddressMatch {
  Cidr4 net;
  bool inverted = false;  // every address but those of `net`
  bool operator==(const AddressMatch&) const = default;
};

enum class Verdict {
  accept,
  leave,  // ends our chain, what follows it goes on
  masquerade,
};

struct Rule {
  std::optional<AddressMatch> from, to;
  bool marked = false;  // only packets with kForeignMasqueradeMark
  Verdict verdict = Verdict::accept;
  bool operator==(const Rule&) const = default;
};

// Of each list the first rule that matches decides.
struct RuleSet {
  Cidr4 network;
  std::vector<Rule> masquerade;  // of what leaves this host, before it does
  std::vector<Rule> forward;     // of what this host forwards
  bool fully_random = false;     // masquerade with ports that nobody can foresee
  bool operator==(const RuleSet&) const = default;
};

struct RuleOptions {
  bool masquerade = false;  // --ip-masq
  bool forward = true;      // --iptables-forward-rules
  bool fully_random = true;
  bool operator==(const RuleOptions&) const = default;
};

// Containers keep their addresses inside of `network`, and towards who speaks to those of `subnet`,
// this host's. What they send anywhere else leaves with the host's address, and so does what the
// host sends from an address of another network to containers of other hosts, so that the answers
// come back to this host. Multicast is left alone.
RuleSet plan_rules(const Cidr4& network, const Cidr4& subnet, const RuleOptions& options);

}  // namespace flannel
