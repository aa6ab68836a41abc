// SPDX-License-Identifier: Apache-2.0
// The rules that the network needs, for either kind of packet filter. docs/firewall.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "net/address.h"

namespace flannel {

// Kubernetes sets this mark on packets that its own rules masquerade.
inline constexpr std::uint32_t kForeignMasqueradeMark = 0x4000;

struct AddressMatch {
  IpPrefix net;
  bool inverted = false;  // every address but those of `net`
  bool operator==(const AddressMatch&) const = default;
};

enum class Verdict {
  accept,
  drop,
  leave,  // ends our chain; the packet goes on with the rule after it
  masquerade,
};

struct Rule {
  std::optional<AddressMatch> from, to;
  bool marked = false;  // only packets with kForeignMasqueradeMark
  Verdict verdict = Verdict::accept;
  bool operator==(const Rule&) const = default;
};

// In each list the first rule that matches decides. All addresses are of the network's family, and
// only packets of that family are concerned.
struct RuleSet {
  IpPrefix network;
  std::vector<Rule> masquerade{};  // for packets that leave this host
  std::vector<Rule> separate{};    // for packets that this host forwards, before all others
  std::vector<Rule> forward{};     // for packets that this host forwards
  bool fully_random = false;       // masquerade with unpredictable ports
  bool empty() const { return masquerade.empty() && separate.empty() && forward.empty(); }
  bool operator==(const RuleSet&) const = default;
};

struct RuleOptions {
  bool masquerade = false;  // --ip-masq
  bool forward = true;      // --iptables-forward-rules
  bool fully_random = true;
  bool operator==(const RuleOptions&) const = default;
};

// Inside of `network` containers see each other's addresses, and those of `subnet`, this host's,
// see the addresses of callers from outside. All other packets of containers leave with the host's
// address. So do packets that the host sends to containers of other hosts from an address of
// another network, so that the answers come back to this host. Multicast is not changed. `network`
// and `subnet` are of one family; a network of both families has a rule set for each. No packet
// passes between `network` and each of `strangers`, networks of the same family.
RuleSet plan_rules(const IpPrefix& network, const IpPrefix& subnet, const RuleOptions& options,
                   std::span<const IpPrefix> strangers = {});

}  // namespace flannel
