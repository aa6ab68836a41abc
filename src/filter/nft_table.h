// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "filter/nftables.h"
#include "rules/rule_set.h"

namespace flannel {

// Our table in nftables: writes it, and compares it with what was written. Loop thread only.
class NftTable {
 public:
  static Result<std::unique_ptr<NftTable>> open();

  // In one transaction, writes our table as `rules` has it and removes the tables it replaces: of
  // earlier runs and of upstream flannel.
  Result<void> put(const RuleSet& rules);
  bool is_written() const { return !name_.empty(); }
  // True if the table is as put() wrote it last; call it after put().
  Result<bool> is_unchanged();
  // Removes our table and the tables it would replace; returns the names of those that existed.
  Result<std::vector<std::string>> remove(const IpPrefix& network);
  Result<std::vector<std::string>> tables() { return nft_->tables(); }  // of the host

 private:
  explicit NftTable(std::unique_ptr<Nftables> nft);
  Result<std::vector<std::string>> replaced_by(const IpPrefix& network);

  std::unique_ptr<Nftables> nft_;
  std::string name_;     // "ip flannel-10.5.0.0-16"; empty before the first put()
  std::string listing_;  // the table's text after the latest put()
};

}  // namespace flannel
