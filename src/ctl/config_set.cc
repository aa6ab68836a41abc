// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <ostream>

#include "base/parse.h"
#include "core/move_notes.h"
#include "core/network_name.h"
#include "ctl/change_report.h"
#include "ctl/command.h"
#include "ctl/config_text.h"
#include "ctl/follow_wait.h"
#include "ctl/host_check.h"
#include "ctl/network_report.h"
#include "ctl/store_session.h"
#include "ctl/stored_networks.h"

namespace flannel {
namespace {

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

// Warns of a text that is forced and ends or redirects a move.
void warn_of_lost_notes(std::string_view before, std::string_view now, const Terminal& terminal) {
  const auto had = read_move_notes(before);
  const auto has = read_move_notes(now);
  if (!had || !has || *had == *has || *had == MoveNotes{}) return;
  print_warnings({"the notes about a move (MovedTo, MovedFrom) in the store are not kept"},
                 terminal);
}

// Fails if hosts could not have the network beside another one. The user may lack the right to read
// the others, which is a warning.
Result<void> check_beside_others(const NetworkConfig& config, const CtlOptions& options,
                                 const Terminal& terminal) {
  if (options.network.empty()) return {};
  CtlOptions all = options;
  all.network.clear();
  all.store.prefix = prefix_without_network(options.store.prefix, options.network);
  const auto networks = read_networks(all, terminal);
  if (!networks) {
    print_warnings({"not compared with the other networks: " + networks.error().text}, terminal);
    return {};
  }
  for (const StoredNetwork& other : *networks) {
    if (other.name == options.network) continue;
    TRY_DURING(check_beside(config, other), "not written; --force writes it all the same");
  }
  return {};
}

Result<void> write(StoreSession& store, const std::string& text, Revision seen) {
  auto written = store.write_config(text, seen);
  if (written) return {};
  if (written.error().kind != ErrorKind::conflict) return tl::unexpected(written.error());
  return fail(ErrorKind::conflict,
              "not written, another process changed the configuration at the same moment; look at "
              "it with `flannelctl config get`");
}

Result<void> wait_if_asked(StoreSession& store, const NetworkConfig& config,
                           const std::string& text, const CtlOptions& options,
                           const Terminal& terminal) {
  if (!options.wait) return {};
  terminal.out.flush();
  const auto list = [&store] {
    store.restart_deadline();
    return store.snapshot();
  };
  return wait_for_followers(config, text, {.longest = *options.wait}, list, terminal);
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
    return wait_if_asked(store, report.config, text, options, terminal);
  }
  if (!options.force) TRY(check_beside_others(report.config, options, terminal));
  if (snapshot.config) warn_of_lost_notes(snapshot.config->text, text, terminal);
  print_warnings(clashes_on_this_host(report.config, options, terminal), terminal);
  const ChangeReport change = report_on_change(snapshot, report);
  print_warnings(objections_in(change), terminal);
  if (change.change.is_refused() && !options.force) {
    terminal.out << to_text(change);
    return fail(ErrorKind::conflict, refusal_of(change.change));
  }
  TRY(write(store, text, snapshot.config ? snapshot.config->revision : 0));
  terminal.out << to_text(report) << to_text(change);
  return wait_if_asked(store, report.config, text, options, terminal);
}

}  // namespace flannel
