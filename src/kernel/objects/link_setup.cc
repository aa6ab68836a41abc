// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/link_setup.h"

#include <fmt/format.h>

#include <utility>

#include "kernel/host/ipv6_settings.h"
#include "kernel/host/source_check.h"
#include "plan/diff.h"

namespace flannel {
namespace {

// The kernel keeps ports and VNIs apart by the family of the outer packets.
bool same_underlay_family(const LinkRow& row, const Link& link) {
  return row.vxlan->local.family == std::get<VxlanSettings>(link.kind).local.family;
}

LinkChange difference(const LinkRow& row, const Link& link) {
  LinkChange change;
  if (link.mtu != 0 && link.mtu != row.mtu) change.mtu = link.mtu;
  if (link.up != row.up) change.up = link.up;
  if (!link.strict_source_check && is_source_check_strict(row.rp_filter)) {
    change.rp_filter = kLooseSourceCheck;
  }
  std::uint32_t queue_len = 0;  // vxlan: no queue, as in upstream
  if (const auto* vxlan = std::get_if<VxlanSettings>(&link.kind)) {
    if (!vxlan->mac.is_zero() && vxlan->mac != row.mac) change.mac = vxlan->mac;
  } else {
    queue_len = std::get<TunSettings>(link.kind).queue_len;
  }
  if (queue_len != row.queue_len) change.queue_len = queue_len;
  return change;
}

// What change_vxlan() sets.
bool differs(const VxlanSettings& want, const VxlanRow& have) {
  return want.learning != have.learning || want.local != have.local ||
         (want.lower.index != 0 && want.lower.index != have.lower);
}

bool has_changes(const LinkChange& change) {
  return change.mtu || change.queue_len || change.mac || change.up || change.rp_filter;
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
  const LinkRow* row = TRY(find_ours(link.name));
  TRY(lower_of(link));
  if (row) TRY(try_port(*row, link));
  TRY(remove(link.name));
  return create(link);
}

// A second device with our VNI is possible for a moment if its port is another one. With the same
// port it is not possible, and no trial is needed: the port is ours.
Result<void> LinkSetup::try_port(const LinkRow& row, const Link& link) {
  const auto& vxlan = std::get<VxlanSettings>(link.kind);
  if (!row.vxlan || row.vxlan->port == vxlan.port) return {};
  Link trial = link;
  trial.name = fmt::format("fl-try.{}", vxlan.vni);  // at most 15 characters
  trial.up = true;
  const auto made = create(trial);
  TRY(remove(trial.name));
  if (made) return {};
  return Failure(Error(made.error()).during(fmt::format("{} stays as it was", link.name)));
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

// Finds the lower device by its index, whatever its name, and by its name only if `link` has no
// index. 0: `link` has no lower device.
Result<int> LinkSetup::lower_of(const Link& link) {
  const LowerDevice& lower = std::get<VxlanSettings>(link.kind).lower;
  if (lower.name.empty() && lower.index == 0) return 0;
  const std::string now = TRY(devices_.name_of(lower.index));
  if (!now.empty()) return lower.index;
  // A recreated interface has another index; UnderlayCheck puts that into the wish.
  const LinkRow* row = lower.index != 0 ? nullptr : TRY(devices_.find(lower.name));
  if (row != nullptr) return row->index;
  return fail(ErrorKind::not_found,
              fmt::format("create {}: there is no interface {}", link.name, lower.name));
}

Result<void> LinkSetup::create(const Link& link) {
  const int lower = TRY(lower_of(link));
  NetlinkBatch batch;
  create_vxlan(batch, link, std::get<VxlanSettings>(link.kind), lower);
  auto created = carry_out(batch);
  if (!created && created.error().kind == ErrorKind::exists) name_vni_holder(created.error(), link);
  TRY_DURING(std::move(created), "create " + link.name);
  // The device is created down, so that it sends nothing before IPv6 is disabled on it. The other
  // settings, and those that the kernel did not accept at creation, are then changed.
  devices_.forget(link.name);
  const LinkRow* made = TRY(devices_.find(link.name));
  if (!made) {
    return fail(ErrorKind::conflict,
                fmt::format("create {}: another process deleted it at once", link.name));
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
  if (vxlan && differs(*vxlan, *row.vxlan)) {
    change_vxlan(batch, row.index, *vxlan, TRY(lower_of(link)));
  }
  const LinkChange differing = difference(row, link);
  if (has_changes(differing)) change_link(batch, row.index, differing);
  devices_.forget(link.name);
  auto done = carry_out(batch);
  // The kernel binds the port when the device is set up.
  if (!done && done.error().kind == ErrorKind::exists && vxlan && differing.up) {
    return fail(ErrorKind::exists, fmt::format("set {} up: UDP port {} is taken by {}", link.name,
                                               vxlan->port, holder_of(link)));
  }
  TRY_DURING(std::move(done), "change " + link.name);
  return {};
}

// Describes the vxlan device or the program that has the port of `link`. Devices can share a port
// only if all have the same features.
std::string LinkSetup::holder_of(const Link& link) {
  const std::uint16_t port = std::get<VxlanSettings>(link.kind).port;
  const std::string program = fmt::format(
      "a program (\"ss -lnup sport = {}\" names it): end it, or set another Port in the "
      "Backend of the network's configuration",
      port);
  NetlinkBatch request;
  dump_links(request);
  const auto rows = dump_rows(socket_, request, decode_link);
  if (!rows) return program;
  for (const LinkRow& row : *rows) {
    if (!row.vxlan || row.vxlan->port != port || !row.up || row.name == link.name) continue;
    if (!same_underlay_family(row, link) && !row.vxlan->metadata) continue;
    return fmt::format(
        "the vxlan device {}, which has other features: give one of the two another "
        "port (Port in the Backend of the network's configuration)",
        row.name);
  }
  return program;
}

// Adds the name of the device with the same VNI to the error, because the kernel does not report
// it.
void LinkSetup::name_vni_holder(Error& error, const Link& link) {
  const std::uint32_t vni = std::get<VxlanSettings>(link.kind).vni;
  NetlinkBatch request;
  dump_links(request);
  const auto rows = dump_rows(socket_, request, decode_link);
  if (!rows) return;
  for (const LinkRow& row : *rows) {
    if (!row.vxlan || row.vxlan->vni != vni || row.name == link.name) continue;
    if (!same_underlay_family(row, link)) continue;
    error.text += fmt::format(
        "; {} has VNI {}: delete it (ip link delete {}), or set another VNI in "
        "the Backend of the network's configuration",
        row.name, vni, row.name);
  }
}

Result<void> LinkSetup::carry_out(NetlinkBatch& batch) {
  for (const auto& outcome : socket_.transact(batch))
    TRY(Result<void>(outcome));
  return {};
}

}  // namespace flannel
