// SPDX-License-Identifier: Apache-2.0
// The packet filter of the host as FamilyFirewall uses it, for packets of one family. The real one:
// host_packet_filter.h; its twin for tests: tests/support/fake_packet_filter.h. Loop thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "filter/rule_change.h"
#include "rules/firewall_plan.h"
#include "rules/rule_set.h"

namespace flannel {

class PacketFilter {
 public:
  // Called once, at once or in a later turn; not any more once the packet filter is destroyed.
  template <typename T>
  using Reply = std::function<void(Result<T>)>;

  virtual ~PacketFilter() = default;

  // Does ahead of time what makes the first write_table() slow. A failure is reported there.
  virtual void prepare_nftables() = 0;
  // In one transaction, writes our table for the network and removes the tables that it replaces.
  virtual Result<void> write_table(const RuleSet& rules) = 0;
  // True if the table is as write_table() wrote it last.
  virtual Result<bool> is_table_unchanged() = 0;
  // Removes our table and those that it would replace; returns the names of those that existed.
  virtual Result<std::vector<std::string>> remove_tables(const IpPrefix& network) = 0;
  // Which iptables have tables in the kernel. Runs no program.
  virtual Result<IptablesPlaces> find_iptables() = 0;

  // Only one call of the next three may be under way: the next one is made after the reply.
  //
  // Reads the rules of the iptables variant that is used. It is chosen again if `places` differ
  // from those of the call before. ErrorKind::not_found: none is installed.
  virtual void read_iptables(IptablesPlaces places, Reply<IptablesRules> reply) = 0;
  // `text`: input for iptables-restore --noflush, for the iptables that was read last.
  virtual void change_iptables(std::string text, Reply<void> reply) = 0;
  // Removes what does the same as `rules` from each iptables that was not chosen. What fails is
  // logged.
  virtual void clear_other_iptables(const RuleSet& rules, std::function<void()> done) = 0;
};

// How changes of rules by any process, ours included, come to be known.
class RuleChanges {
 public:
  virtual ~RuleChanges() = default;

  // Calls `on_change` from now on, once a turn, if `concerns_us` returned true for a change of this
  // family, or if notifications were lost. After a failure it may be called again.
  // ErrorKind::system: this kernel sends none.
  virtual Result<void> watch(std::function<bool(const RuleChange&)> concerns_us,
                             std::function<void()> on_change) = 0;
  virtual bool is_watching() const = 0;
  // The same number as long as iptables-legacy, of which the kernel sends no notifications, has the
  // same rules. nullopt: it cannot be read.
  virtual std::optional<std::uint64_t> legacy_sum() const = 0;
};

}  // namespace flannel
