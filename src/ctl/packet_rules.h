// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "filter/nftables.h"
#include "trace/packet.h"
#include "trace/rule_walk.h"

namespace flannel {

// The rules of all packet filters in this network namespace, as they were when they were read.
class PacketRules {
 public:
  // Runs iptables-save and its like, and asks nftables. `unseen` gets a sentence for each packet
  // filter that could not be read.
  static PacketRules read(std::vector<std::string>& unseen);

  // Returns which rules drop the packet: trace/rule_walk.h.
  std::vector<trace::Drop> drops_of(const trace::Packet& packet) const;

 private:
  struct Saved {
    std::string program;  // "iptables-nft"
    Family family;
    std::string text;  // of its -save program
  };
  void read_iptables(bool has_nftables, std::vector<std::string>& unseen);

  std::vector<Saved> saved_;
  Nftables::Ruleset nftables_;
  bool has_iptables_nft_[2] = {false, false};  // by family
};

}  // namespace flannel
