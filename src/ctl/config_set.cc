// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <ostream>

#include "base/parse.h"
#include "core/lease_table.h"
#include "core/move_notes.h"
#include "core/network_config.h"
#include "ctl/command.h"
#include "ctl/config_text.h"
#include "ctl/host_check.h"
#include "ctl/network_report.h"
#include "ctl/store_session.h"

namespace flannel {
namespace {

// True if a host with these subnets keeps those of the families that the configuration has.
bool can_be_kept(const NetworkConfig& config, const SubnetKey& subnets) {
  bool any = false;
  for (const Family family : kFamilies) {
    const auto& subnet = subnets.at(family);
    if (!subnet || !config.at(family)) continue;
    if (!config.at(family)->allows(*subnet)) return false;
    any = true;
  }
  return any;
}

// Returns the current leases that hosts could not keep under the new configuration.
std::vector<std::string> leases_in_the_way(const NetworkConfig& config, const Snapshot& snapshot) {
  LeaseTable table;
  table.apply_snapshot(snapshot);
  std::size_t count = 0;
  std::string first;
  for (const auto& [subnet, listed] : table.leases()) {
    if (can_be_kept(config, subnet)) continue;
    if (++count == 1) first = to_string(subnet);
  }
  if (count == 0) return {};
  return {
      fmt::format("{} of the hosts' subnets do not fit, {} is the first: these hosts get others "
                  "when their flanneld is restarted",
                  count, first)};
}

// Returns the text to write in place of `before`. The notes about a move decide which store hosts
// use, so they stay; a text that has other ones is refused.
Result<std::string> with_same_notes(std::string_view before, const std::string& now) {
  const auto had = read_move_notes(before);
  const MoveNotes has = TRY(read_move_notes(now));
  if (!had || *had == has) return now;
  if (has == MoveNotes{}) return with_move_notes(now, *had);
  return fail(ErrorKind::conflict,
              "not written: the configuration has other notes about a move (MovedTo, MovedFrom) "
              "than the one in the store; leave them out, and those of the store stay, or --force");
}

}  // namespace

Result<void> run_config_set(const CtlOptions& options, const Terminal& terminal) {
  std::string text = TRY(read_config_text(options.words[0], terminal));
  const NetworkReport report =
      TRY_DURING(report_on(text, options.underlay_mtu), "not written, the configuration is wrong");
  print_warnings(report.warnings, terminal);

  StoreSession store = TRY(StoreSession::open_or_make(options));
  const Snapshot snapshot = TRY(store.snapshot());
  if (snapshot.config && !options.force) text = TRY(with_same_notes(snapshot.config->text, text));
  if (snapshot.config && trim(snapshot.config->text) == text) {
    terminal.out << "unchanged, the store has this configuration already\n";
    return {};
  }
  print_warnings(clashes_on_this_host(report.config, options, terminal), terminal);
  print_warnings(leases_in_the_way(report.config, snapshot), terminal);
  const Revision seen = snapshot.config ? snapshot.config->revision : 0;
  if (auto written = store.write_config(text, seen); !written) {
    if (written.error().kind != ErrorKind::conflict) return tl::unexpected(written.error());
    return fail(
        ErrorKind::conflict,
        "not written, another process changed the configuration at the same moment; look at "
        "it with `flannelctl config get`");
  }
  terminal.out << to_text(report);
  if (seen != 0) terminal.out << "A flanneld that runs keeps the old one until it is restarted.\n";
  return {};
}

}  // namespace flannel
