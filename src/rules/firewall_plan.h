// SPDX-License-Identifier: Apache-2.0
// What to do next with the packet filter, decided from what is known of it. No I/O and no clock:
// filter/firewall.h carries the steps out, filter/firewall_pacer.h says when. docs/firewall.md.
//
// A pass takes the steps in this order. It leaves out those in brackets where there is nothing to
// do, and ends early on a failure.
//
//   [check_table] ─▶ [write_table] ─▶ [find_places] ─▶ [read_iptables] ─▶ [change_iptables]
//       ─▶ [remove_table] ─▶ clear_others ─▶ end
//
// With nftables a table of our own masquerades, and iptables is read only on hosts that have rules
// in it: rules of an earlier run are removed there, and accepts are added where it would drop,
// because an accept in our table overrules no drop in another. With iptables it is the other way
// round: our table of an earlier run is removed. Docker's tables get the rules that the overlay
// needs in both cases.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "rules/docker_rules.h"
#include "rules/iptables_text.h"
#include "rules/rule_set.h"

namespace flannel {

// --firewall. automatic: nftables, and iptables where nftables cannot be used.
enum class FirewallMode { automatic, nftables, iptables };

// What is wanted of the packets of one family.
struct FirewallWish {
  FirewallMode mode = FirewallMode::automatic;
  RuleSet rules;                           // empty: those of an earlier run are removed
  IpPrefix subnet;                         // of this host
  std::optional<OverlayIngress> docker{};  // nullopt: no rules in Docker's tables
  bool config_asks_nftables = false;       // EnableNFTables, which decides nothing here

  bool is_for_nothing() const { return rules.empty() && !docker; }
  bool operator==(const FirewallWish&) const = default;
};

// Which iptables of a host have tables in the kernel.
struct IptablesPlaces {
  bool nft = false, legacy = false;
  bool any() const { return nft || legacy; }
  bool operator==(const IptablesPlaces&) const = default;
};

// What an iptables reported of itself: `saved` is the output of its -save program.
struct IptablesRules {
  std::string name = {};  // "iptables-nft"
  bool legacy = false;
  std::string saved = {};
};

enum class FirewallKind { undecided, nftables, iptables };

// Old kernels and old iptables refuse random ports. A refused change is tried once without them;
// only if that succeeds were they the reason.
enum class RandomPorts { wanted, trying_without, refused };

enum class FirewallAct {
  check_table,      // compare our nftables table with what was written last
  write_table,      // write it with wanted_rules()
  find_places,      // find out which iptables have tables
  read_iptables,    // in one of places_to_read()
  change_iptables,  // run the step's `change`
  remove_table,     // remove our nftables table, if an earlier run left one
  clear_others,     // remove our rules from every iptables that is not used
  end,              // the pass is over: `failure` says how
};

// Input for iptables-restore; empty where nothing is to be changed.
struct IptablesChange {
  std::string own;     // masquerading and accepts
  std::string docker;  // in Docker's tables
  bool empty() const { return own.empty() && docker.empty(); }
  bool operator==(const IptablesChange&) const = default;
};

struct FirewallStep {
  FirewallAct act = FirewallAct::end;
  IptablesChange change{};
  bool operator==(const FirewallStep&) const = default;
};

// What was found out about this host and holds until the daemon ends.
struct FirewallFindings {
  FirewallKind kind = FirewallKind::undecided;
  std::string why_no_nftables;
  RandomPorts random_ports = RandomPorts::wanted;
  std::string why_no_random_ports;
  // Tables of iptables whose programs are not installed; nullopt again once others are found.
  std::optional<IptablesPlaces> unusable;
};

// What is known of the packet filter.
struct FirewallView {
  // The first part stays from pass to pass.
  FirewallFindings host;
  std::optional<RuleSet> table;     // our table's rules; nullopt: not written, or changed by others
  std::optional<RuleSet> in_force;  // the rules asked for of which all that masquerades was there
  std::optional<FirewallWish> done;         // the wish of the latest pass without a failure
  IptablesPlaces places;                    // as found by the latest find_places
  std::optional<IptablesRules> iptables;    // as read last; nullopt: none is used
  std::optional<std::uint64_t> legacy_sum;  // fingerprint of iptables-legacy when the pass began
  // The second part belongs to the current pass.
  FirewallAct at = FirewallAct::end;  // the next step, unless it is left out
  std::optional<Error> failure;
};

FirewallStep next_step(const FirewallView& view, const FirewallWish& wish);

// The rules of the wish, without random ports where they are refused.
RuleSet wanted_rules(const FirewallView& view, const FirewallWish& wish);
// Undecided, and with iptables, every place counts: the programs make tables as they need them.
IptablesPlaces places_to_read(const FirewallView& view);
// True if a pass has done this wish without a failure, whatever its `docker` was.
bool is_done(const FirewallView& view, const FirewallWish& wish);

// Each notes in `view` the outcome of one step of the pass for `wish`.
void begin_pass(FirewallView& view, std::optional<std::uint64_t> legacy_sum);
void on_table_checked(FirewallView& view, const FirewallWish& wish, const Result<bool>& unchanged);
void on_table_written(FirewallView& view, const FirewallWish& wish, const Result<void>& written);
void on_places_found(FirewallView& view, const Result<IptablesPlaces>& places);
// ErrorKind::not_found: no iptables is installed.
void on_iptables_read(FirewallView& view, const FirewallWish& wish, Result<IptablesRules> read);
void on_iptables_changed(FirewallView& view, const FirewallWish& wish, const Result<void>& changed);
void on_table_removed(FirewallView& view);
void on_others_cleared(FirewallView& view, const FirewallWish& wish);

// Whether rules of ours may be missing, on a kernel that reports changes of nftables: it reports
// none of iptables-legacy, whose fingerprint is `legacy_sum` now (nullopt: it cannot be read).
bool may_have_changed(const FirewallView& view, const FirewallWish& wish,
                      std::optional<std::uint64_t> legacy_sum);

// Whether a change in this chain ("" if the table itself changed), of a table of our family, may
// concern us: it has rules of ours, leads to them, or decides whether they are needed. `network` is
// nullopt before the first wish.
bool concerns_us(std::string_view table, std::string_view chain,
                 const std::optional<IpPrefix>& network);

}  // namespace flannel
