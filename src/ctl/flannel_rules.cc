// SPDX-License-Identifier: Apache-2.0
#include "ctl/flannel_rules.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/parse.h"
#include "ctl/waiting_iptables.h"
#include "filter/netfilter_socket.h"
#include "filter/nftables.h"
#include "rules/docker_rules.h"
#include "rules/nft_text.h"

namespace flannel {
namespace {

// Describes an input of iptables-restore that only removes rules.
std::vector<std::string> in_words(const std::string& removal, const std::string& name) {
  std::vector<std::string> lines;
  std::string_view table;
  for (const std::string_view line : split(removal, '\n')) {
    if (line.starts_with('*')) table = line.substr(1);
    if (line.starts_with("-D ")) {
      lines.push_back(fmt::format("{} {}: rule {}", name, table, line.substr(3)));
    } else if (line.starts_with("-X ")) {
      lines.push_back(fmt::format("{} {}: chain {} with its rules", name, table, line.substr(3)));
    }
  }
  return lines;
}

Result<std::vector<std::string>> tables_of_kernel() {
  auto netfilter = open_netfilter();
  // The kernel has no netfilter.
  if (!netfilter) return fail(ErrorKind::unsupported, netfilter.error().text);
  return nft_tables(*netfilter);
}

void add_nftables(std::vector<std::string>& tables, std::vector<FlannelRules>& found,
                  std::vector<std::string>& unseen) {
  std::erase_if(tables, [](const std::string& table) { return !is_flannel_nft_table(table); });
  if (tables.empty()) return;
  auto opened = Nftables::open();
  if (!opened) return unseen.push_back(opened.error().text);
  std::vector<std::string> lines;
  for (const std::string& table : tables)
    lines.push_back(fmt::format("nftables: table {}", table));
  const std::shared_ptr<Nftables> nft = *std::move(opened);
  found.push_back(
      {std::move(lines), [nft, removal = remove_nft_tables(tables)] { return nft->run(removal); }});
}

// False: this variant is not installed, or it needs nftables, which this kernel does not have.
bool add_iptables(IptablesKind kind, Family family, bool has_nftables,
                  std::vector<FlannelRules>& found, std::vector<std::string>& unseen) {
  const auto opened = WaitingIptables::open(kind, family);
  if (!opened || !(has_nftables || (*opened)->is_legacy())) return false;
  const auto& iptables = *opened;
  const auto saved = iptables->save();
  if (!saved) {
    unseen.push_back(iptables->name() + ": " + saved.error().text);
    return true;
  }
  const std::string removal = removal_of_all(*saved);
  if (removal.empty()) return true;
  found.push_back({in_words(removal, iptables->name()),
                   [iptables, removal] { return iptables->restore(removal); }});
  return true;
}

}  // namespace

std::vector<FlannelRules> find_flannel_rules(std::vector<std::string>& unseen) {
  std::vector<FlannelRules> found;
  auto tables = tables_of_kernel();
  const bool has_nftables = tables || tables.error().kind != ErrorKind::unsupported;
  if (tables) {
    add_nftables(*tables, found, unseen);
  } else if (has_nftables) {
    unseen.push_back(tables.error().text);
  }
  for (const Family family : kFamilies) {
    auto add = [&](IptablesKind kind) {
      return add_iptables(kind, family, has_nftables, found, unseen);
    };
    const bool nft = add(IptablesKind::nft);
    const bool legacy = add(IptablesKind::legacy);
    if (!nft && !legacy) add(IptablesKind::system);
  }
  return found;
}

}  // namespace flannel
