// SPDX-License-Identifier: Apache-2.0
#include "ctl/change_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/lease_table.h"
#include "ctl/text_table.h"

namespace flannel {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string rules_of(const SubnetRange& range) {
  return fmt::format("/{} from {} to {}", range.subnet_len, to_string(range.first),
                     to_string(range.last));
}

// Leases inside of the network stay whatever the new rules are.
std::string rules_for_new_leases(const NetworkChange& change) {
  if (!change.before || !change.after) return "";
  const bool same_rules = change.before->subnet_len == change.after->subnet_len &&
                          change.before->first == change.after->first &&
                          change.before->last == change.after->last;
  if (same_rules) return "";
  return fmt::format("; new leases are {}, those that fit into the network stay as they are",
                     rules_of(*change.after));
}

std::string sentence_on(const NetworkChange& change) {
  const auto text = [](const std::optional<SubnetRange>& range) {
    return range ? to_string(range->network) : std::string();
  };
  const std::string before = text(change.before);
  const std::string after = text(change.after);
  switch (change.fate) {
    case NetworkFate::stays:
      return before + " stays" + rules_for_new_leases(change);
    case NetworkFate::added:
      return after + " is added: hosts lease a subnet of it too";
    case NetworkFate::retired:
      return before + " is retired: hosts keep their subnets of the other family";
    case NetworkFate::grown:
      return before + " grows to " + after + rules_for_new_leases(change);
    case NetworkFate::shrunk:
      return before + " shrinks to " + after + rules_for_new_leases(change);
    case NetworkFate::moved:
      return before + " moves to " + after;
  }
  return "";
}

// alloc leases subnets and carries no packets.
bool carries(const AnnouncedBackend& plane) {
  return plane.type != "alloc";
}

std::string sentence_on(const DataPlaneChange& change) {
  const std::string before = to_string(change.before);
  const std::string after = to_string(change.after);
  if (change.fate == DataPlaneFate::stays) return before + " stays";
  if (!carries(change.before)) return after + " is added";
  const std::string end = before + " is retired when no lease announces it any more";
  if (!carries(change.after)) return end + "; alloc carries no packets";
  return fmt::format("{} is added beside it, and {}", after, end);
}

std::string sentence_on(const OptionChange& change) {
  return fmt::format(
      "{} is {}, it was {}{}", change.key, change.after, change.before,
      change.makes_a_device ? "; each host replaces its device, and packets in it are lost" : "");
}

std::string_view plural_of_lease(std::size_t count) {
  return count == 1 ? "lease has" : "leases have";
}

std::string sentence_on(const CutOff& host, const ConfigChange& change) {
  std::string text = fmt::format("{} of {} is cut off: ", to_string(host.subnet),
                                 host.host == PublicIps() ? "no address" : to_string(host.host));
  switch (host.why) {
    case Objection::no_family:
      return text + "the new configuration has none of its families";
    case Objection::does_not_follow:
      return text +
             "it has no node id, so it is of another flannel, which does not follow and keeps " +
             to_string(change.data_plane->before) + " until it is restarted";
    default:
      return text + "it is outside of the new network";
  }
}

// The only objection in general is that of GBP.
std::string sentence_on_gbp(const DataPlaneChange& change) {
  return fmt::format(
      "each host makes its devices on Port {} anew, because Linux has GBP on all of them or on "
      "none, and packets are lost meanwhile; with another Port none are lost",
      change.after.port);
}

}  // namespace

ChangeReport report_on_change(const Snapshot& snapshot, const NetworkReport& next) {
  ChangeReport report{.change = {}, .is_first = !snapshot.config, .mtu_after = next.overlay_mtu};
  std::optional<NetworkConfig> running;
  if (snapshot.config) {
    const auto before = report_on(snapshot.config->text, next.underlay_mtu);
    if (before) {
      running = before->config;
      report.mtu_before = before->overlay_mtu;
    } else {
      report.unreadable = before.error().text;
    }
  }
  LeaseTable table(running ? running->networks() : std::vector<IpPrefix>());
  table.apply_snapshot(snapshot);
  report.change = plan_change(running, next.config, table.leases());
  return report;
}

std::string to_text(const ChangeReport& report) {
  const ConfigChange& change = report.change;
  if (report.is_first) return "";
  if (!change.data_plane) {
    return "Hosts cannot use the configuration in the store: " + report.unreadable + "\n";
  }
  if (change.changes_nothing()) return "Hosts that run have nothing to change.\n";
  Rows rows;
  for (const NetworkChange& network : change.networks)
    rows.push_back({"  " + std::string(to_string(network.family)), sentence_on(network)});
  rows.push_back({"  backend", sentence_on(*change.data_plane)});
  for (const OptionChange& option : change.options)
    rows.push_back({"", sentence_on(option)});
  if (report.mtu_before && *report.mtu_before != report.mtu_after) {
    rows.push_back({"  mtu", fmt::format("new containers get {} in place of {}; those that run "
                                         "keep theirs",
                                         report.mtu_after, *report.mtu_before)});
  }
  std::string text = "Each flanneld of this release follows as soon as it sees this:\n";
  text += text_table(rows);
  if (const std::size_t count = change.without_node_id; count > 0) {
    text += fmt::format("{} {} no node id: another flannel, which does not follow.\n", count,
                        plural_of_lease(count));
  }
  return text;
}

std::vector<std::string> objections_in(const ChangeReport& report) {
  const ConfigChange& change = report.change;
  std::vector<std::string> all;
  if (!change.in_general.empty()) all.push_back(sentence_on_gbp(*change.data_plane));
  const std::size_t listed = std::min(change.cut_off.size(), ChangeReport::kMostListed);
  for (std::size_t i = 0; i < listed; ++i)
    all.push_back(sentence_on(change.cut_off[i], change));
  if (change.cut_off.size() > listed) {
    all.push_back(fmt::format("and {} more are cut off", change.cut_off.size() - listed));
  }
  return all;
}

std::string refusal_of(const ConfigChange& change) {
  const std::size_t count = change.cut_off.size();
  std::string why = change.in_general.empty() ? "" : "packets are lost while hosts switch";
  if (count > 0) {
    why += fmt::format("{}{} {} cut off", why.empty() ? "" : ", and ", count,
                       count == 1 ? "lease is" : "leases are");
  }
  return "not written: " + why + "; --force writes the configuration in spite of that";
}

}  // namespace flannel
