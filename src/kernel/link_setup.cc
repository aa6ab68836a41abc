// SPDX-License-Identifier: Apache-2.0
#include "kernel/link_setup.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "kernel/sysctl.h"
#include "plan/diff.h"

namespace flannel {
namespace {

// Overlay devices carry the overlay's IPv4 alone: no link-local address of their own, and no
// stranger's router advertisement may give them routes. Hosts without IPv6 lack the files.
void keep_ipv6_quiet(const std::string& link) {
  const std::string settings = "net/ipv6/conf/" + link;
  constexpr auto kQuiet = std::to_array<std::pair<const char*, const char*>>({
      {"/accept_ra", "0"}, {"/addr_gen_mode", "1"},  // none
  });
  for (const auto& [name, value] : kQuiet) {
    const auto written = write_sysctl(settings + name, value);
    if (!written && written.error().kind != ErrorKind::not_found) {
      log::verbose(4, "device left with IPv6 defaults", {{"why", written.error().text}});
    }
  }
}

LinkChange difference(const LinkRow& row, const Link& link) {
  LinkChange change;
  if (link.mtu != 0 && link.mtu != row.mtu) change.mtu = link.mtu;
  if (link.up != row.up) change.up = link.up;
  std::uint32_t queue_len = 0;  // vxlan: no queue, as upstream makes it
  if (const auto* vxlan = std::get_if<VxlanSettings>(&link.kind)) {
    if (!vxlan->mac.is_zero() && vxlan->mac != row.mac) change.mac = vxlan->mac;
  } else {
    queue_len = std::get<TunSettings>(link.kind).queue_len;
  }
  if (queue_len != row.queue_len) change.queue_len = queue_len;
  return change;
}

bool has_changes(const LinkChange& change) {
  return change.mtu || change.queue_len || change.mac || change.up;
}

}  // namespace

Result<void> LinkSetup::put(const Link& link) {
  const LinkRow* row = TRY(find_ours(link.name));
  if (row) return change(*row, link);
  if (std::holds_alternative<VxlanSettings>(link.kind)) return create(link);
  return fail(ErrorKind::not_found,
              fmt::format("set up {}: the packet path has not made it", link.name));
}

Result<void> LinkSetup::recreate(const Link& link) {
  if (!std::holds_alternative<VxlanSettings>(link.kind)) {
    return fail(ErrorKind::unsupported,
                fmt::format("recreate {}: only the packet path makes such a device", link.name));
  }
  TRY(remove(link.name));
  return create(link);
}

Result<void> LinkSetup::remove(const std::string& name) {
  const LinkRow* row = TRY(find_ours(name));
  if (!row) return {};
  NetlinkBatch batch;
  delete_link(batch, row->index);
  devices_.forget(name);
  const auto deleted = carry_out(batch);
  if (deleted || deleted.error().kind == ErrorKind::not_found) return {};
  return Failure(Error(deleted.error()).during("delete " + name));
}

Result<const LinkRow*> LinkSetup::find_ours(const std::string& name) {
  const LinkRow* row = TRY(devices_.find(name));
  if (row && !is_of_our_kind(*row)) {
    return fail(ErrorKind::conflict,
                fmt::format("{} is {} that is not ours; it is left alone: rename or delete it",
                            name, kind_in_words(*row)));
  }
  return row;
}

Result<void> LinkSetup::create(const Link& link) {
  const auto& vxlan = std::get<VxlanSettings>(link.kind);
  int lower = 0;
  if (!vxlan.lower.empty()) {
    const LinkRow* row = TRY(devices_.find(vxlan.lower));
    if (!row) {
      return fail(ErrorKind::not_found,
                  fmt::format("create {}: there is no interface {}", link.name, vxlan.lower));
    }
    lower = row->index;
  }
  NetlinkBatch batch;
  create_vxlan(batch, link, vxlan, lower);
  TRY_DURING(carry_out(batch), "create " + link.name);
  // Made down, so that nothing happens on it before it is quiet; the rest, and what the kernel did
  // otherwise than asked, is a change.
  devices_.forget(link.name);
  const LinkRow* made = TRY(devices_.find(link.name));
  if (!made) {
    return fail(ErrorKind::conflict,
                fmt::format("create {}: somebody deleted it at once", link.name));
  }
  return change(*made, link);
}

Result<void> LinkSetup::change(const LinkRow& row, const Link& link) {
  const Link have = TRY(devices_.as_link(row));
  if (have.kind.index() != link.kind.index() || needs_new_device(have, link)) {
    return fail(ErrorKind::invalid, "change " + link.name + ": this needs a new device");
  }
  keep_ipv6_quiet(link.name);
  NetlinkBatch batch;
  const auto* vxlan = std::get_if<VxlanSettings>(&link.kind);
  if (vxlan && vxlan->learning != row.vxlan->learning) {
    change_learning(batch, row.index, vxlan->learning);
  }
  const LinkChange differing = difference(row, link);
  if (has_changes(differing)) change_link(batch, row.index, differing);
  devices_.forget(link.name);
  TRY_DURING(carry_out(batch), "change " + link.name);
  return {};
}

Result<void> LinkSetup::carry_out(NetlinkBatch& batch) {
  for (const auto& outcome : socket_.transact(batch))
    TRY(Result<void>(outcome));
  return {};
}

}  // namespace flannel
