// SPDX-License-Identifier: Apache-2.0
#include "ctl/packet_rules.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "ctl/waiting_iptables.h"
#include "filter/netfilter_socket.h"
#include "trace/iptables_table.h"
#include "trace/nft_ruleset.h"

namespace flannel {
namespace {

std::size_t index_of(Family family) {
  return family == Family::v4 ? 0 : 1;
}

}  // namespace

PacketRules PacketRules::read(std::vector<std::string>& unseen) {
  PacketRules rules;
  const bool has_nftables = open_netfilter().has_value();
  rules.read_iptables(has_nftables, unseen);
  if (!has_nftables) return rules;
  auto nftables = Nftables::open();
  auto listing = nftables ? (*nftables)->list_ruleset() : Failure(nftables.error());
  if (listing) {
    rules.nftables_ = *std::move(listing);
  } else {
    unseen.push_back(listing.error().text);
  }
  return rules;
}

void PacketRules::read_iptables(bool has_nftables, std::vector<std::string>& unseen) {
  for (const Family family : kFamilies) {
    for (const IptablesKind kind : {IptablesKind::nft, IptablesKind::legacy}) {
      const auto opened = WaitingIptables::open(kind, family);
      if (!opened || !(has_nftables || (*opened)->is_legacy())) continue;
      auto text = (*opened)->save();
      if (!text) {
        unseen.push_back((*opened)->name() + ": " + text.error().text);
        continue;
      }
      if (!(*opened)->is_legacy()) has_iptables_nft_[index_of(family)] = true;
      saved_.push_back({(*opened)->name(), family, *std::move(text)});
    }
  }
}

std::vector<trace::Drop> PacketRules::drops_of(const trace::Packet& packet) const {
  std::vector<trace::Table> tables;
  for (const Saved& saved : saved_) {
    if (saved.family != packet.family()) continue;
    for (trace::Table& table : trace::iptables_tables(saved.text, saved.program, packet))
      tables.push_back(std::move(table));
  }
  const bool with_iptables = !has_iptables_nft_[index_of(packet.family())];
  auto own = trace::nft_tables({nftables_.json, nftables_.text}, packet, with_iptables);
  if (own) std::ranges::move(*own, std::back_inserter(tables));
  return trace::find_drops(tables);
}

}  // namespace flannel
