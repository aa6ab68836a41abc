// SPDX-License-Identifier: Apache-2.0
#include "filter/nft_table.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "kernel/host/host_locks.h"
#include "rules/nft_text.h"

namespace flannel {

Result<std::unique_ptr<NftTable>> NftTable::open() {
  return std::unique_ptr<NftTable>(new NftTable(TRY(Nftables::open())));
}

NftTable::NftTable(std::unique_ptr<Nftables> nft) : nft_(std::move(nft)) {}

Result<std::vector<std::string>> NftTable::replaced_by(const IpPrefix& network) {
  const auto all = TRY(tables());
  auto replaced = nft_tables_before(all, network);
  // A flanneld that runs would write its table again and remove ours, without end.
  std::erase_if(replaced, [&](const std::string& table) {
    const auto other = network_of_nft_table(table);
    return other && *other != network && is_locked_by_daemon(to_string(*other));
  });
  const bool is_new = std::ranges::find(replaced, name_) == replaced.end();
  if (!name_.empty() && name_ != nft_table(network) && is_new) replaced.push_back(name_);
  return replaced;
}

Result<void> NftTable::put(const RuleSet& rules) {
  const auto gone = TRY(replaced_by(rules.network));
  TRY(nft_->run(render_nft(rules, gone)));
  for (const std::string& table : gone)
    log::info("table of an earlier run or of upstream flannel replaced by ours",
              {{"table", table}});
  name_ = nft_table(rules.network);
  listing_ = rules.empty() ? std::string() : TRY(nft_->list_table(name_));
  return {};
}

Result<bool> NftTable::is_unchanged() {
  const auto listing = nft_->list_table(name_);
  if (!listing && listing.error().kind != ErrorKind::not_found) return Failure(listing.error());
  return (listing ? *listing : std::string()) == listing_;
}

Result<std::vector<std::string>> NftTable::remove(const IpPrefix& network) {
  auto gone = TRY(replaced_by(network));
  const auto all = TRY(tables());
  const std::string own = nft_table(network);
  if (std::ranges::find(all, own) != all.end()) gone.push_back(own);
  if (!gone.empty()) TRY(nft_->run(remove_nft_tables(gone)));
  return gone;
}

}  // namespace flannel
