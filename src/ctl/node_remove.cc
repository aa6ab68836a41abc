// SPDX-License-Identifier: Apache-2.0
// Implements node remove: deletes the records of a host that is gone for ever.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ostream>

#include "ctl/cluster_nodes.h"
#include "ctl/command.h"
#include "ctl/lease_life.h"
#include "ctl/store_session.h"

namespace flannel {
namespace {

std::string name_of(const ClusterNode& node) {
  return fmt::format("{} of {}", to_string(node.subnets()),
                     to_string(node.attributes().public_ips()));
}

Failure refusal(const ClusterNode& node, const std::string& why) {
  return fail(ErrorKind::conflict,
              fmt::format("{} is not removed: {}; --force removes it", name_of(node), why));
}

// True if a public IP of the host is an address of the host on which this command runs.
bool is_this_host(const ClusterNode& node, const HostView& view) {
  return std::ranges::any_of(view.interfaces, [&](const auto& interface) {
    return std::ranges::any_of(interface.addresses,
                               [&](const auto& address) { return node.has(address.ip); });
  });
}

Result<void> check_is_not_ours(const ClusterNode& node, const Terminal& terminal) {
  if (!terminal.read_host || !terminal.find_daemons) return {};
  const HostView view = TRY_DURING(terminal.read_host(), "look at the host's interfaces");
  if (!is_this_host(node, view)) return {};
  const auto daemons = TRY(terminal.find_daemons());
  if (daemons.empty()) return {};
  return refusal(node, fmt::format("it is this host, on which flanneld runs (process {})",
                                   fmt::join(daemons, ", ")));
}

Result<void> check_is_abandoned(const ClusterNode& node, const RemainingLives& lives) {
  for (const NodeRecord& one : node.records) {
    const std::string sign = sign_of_life(one.record, lives);
    if (!sign.empty()) return refusal(node, sign);
  }
  if (node.id()) return {};
  return refusal(node,
                 "another flannel wrote it, which may renew a lease only just before its end");
}

std::vector<Record> records_of(const ClusterNode& node) {
  std::vector<Record> records;
  for (const NodeRecord& one : node.records)
    records.push_back(one.record);
  return records;
}

// The record that was changed last goes first: if its host runs after all, nothing is removed.
Result<void> remove(const ClusterNode& node, StoreSession& store, const Terminal& terminal) {
  for (const NodeRecord& one : node.records) {
    const std::string subnet = to_string(one.lease.subnet);
    const auto released = store.release(one.record);
    if (!released && released.error().kind == ErrorKind::conflict) {
      return fail(
          ErrorKind::conflict,
          fmt::format("{} is not removed: another process has changed it just now", subnet));
    }
    if (!released) return Failure(Error(released.error()).during("remove " + subnet));
    terminal.out << fmt::format("{} of {} is removed\n", subnet,
                                to_string(one.lease.attributes.public_ips()));
  }
  return {};
}

}  // namespace

Result<void> run_node_remove(const CtlOptions& options, const Terminal& terminal) {
  StoreSession store = TRY(StoreSession::open(options));
  const auto nodes = nodes_of(TRY(store.snapshot()));
  const ClusterNode& node = *TRY(find_node(nodes, options.words[0]));
  if (!options.force) {
    TRY(check_is_not_ours(node, terminal));
    const RemainingLives lives = TRY(store.remaining_lives(records_of(node)));
    TRY(check_is_abandoned(node, lives));
  }
  return remove(node, store, terminal);
}

}  // namespace flannel
