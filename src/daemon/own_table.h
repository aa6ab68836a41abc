// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/nftables.h"
#include "rules/rule_set.h"

namespace flannel {

// Our table in nftables, and whether it is still as it was made. Loop thread only.
class OwnTable {
 public:
  static Result<std::unique_ptr<OwnTable>> open();

  // In one transaction: ours as `rules` has it, and what it takes the place of is gone.
  Result<void> put(const RuleSet& rules);
  // Puts it back if it is not as put() left it; true: it was not.
  Result<bool> mend(const RuleSet& rules);
  // Ours and what it would take the place of; the names of those that were there.
  Result<std::vector<std::string>> remove(const Cidr4& network);
  Result<std::vector<std::string>> tables() { return nft_->tables(); }  // of the host

 private:
  explicit OwnTable(std::unique_ptr<Nftables> nft);
  Result<std::vector<std::string>> replaced_by(const Cidr4& network);

  std::unique_ptr<Nftables> nft_;
  std::string name_;     // "ip flannel-10.5.0.0-16"; empty: not put yet
  std::string listing_;  // as it was made
};

}  // namespace flannel
