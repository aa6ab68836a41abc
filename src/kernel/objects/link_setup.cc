// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/link_setup.h"

#include <fmt/format.h>

#include <utility>

#include "kernel/host/ipv6_settings.h"
#include "kernel/host/source_check.h"
#include "kernel/netlink/link_kind.h"
#include "plan/diff.h"

namespace flannel {
namespace {

LinkChange difference(const LinkRow& row, const Link& link) {
  LinkChange change;
  if (link.mtu != 0 && link.mtu != row.mtu) change.mtu = link.mtu;
  if (link.up != row.up) change.up = link.up;
  if (!link.strict_source_check && is_source_check_strict(row.rp_filter)) {
    change.rp_filter = kLooseSourceCheck;
  }
  if (const auto mac = mac_of(link.kind); mac && !mac->is_zero() && *mac != row.mac) {
    change.mac = mac;
  }
  const LinkKind& kind = kind_of(link.kind);
  const std::uint32_t queue_len = kind.queue_len ? kind.queue_len(link.kind) : 0;
  if (queue_len != row.queue_len) change.queue_len = queue_len;
  return change;
}

bool has_changes(const LinkChange& change) {
  return change.mtu || change.queue_len || change.mac || change.up || change.rp_filter;
}

}  // namespace

Result<void> LinkSetup::put(const Link& link) {
  const LinkRow* row = TRY(find_ours(link.name));
  if (row) return change(*row, link);
  if (kind_of(link.kind).put_new) return create(link);
  return fail(ErrorKind::not_found,
              fmt::format("set up {}: the packet path has not made it", link.name));
}

Result<void> LinkSetup::recreate(const Link& link) {
  if (!kind_of(link.kind).put_new) {
    return fail(ErrorKind::unsupported,
                fmt::format("recreate {}: only the packet path makes such a device", link.name));
  }
  const LinkRow* row = TRY(find_ours(link.name));
  TRY(lower_of(link));
  if (row) TRY(try_out(*row, link));
  TRY(remove(link.name));
  return create(link);
}

Result<void> LinkSetup::try_out(const LinkRow& row, const Link& link) {
  const LinkKind& kind = kind_of(link.kind);
  const bool is_same_kind = row.settings && row.settings->index() == link.kind.index();
  if (!is_same_kind || !kind.trial) return {};
  const auto trial = kind.trial(*row.settings, link);
  if (!trial) return {};
  const auto made = create(*trial);
  TRY(remove(trial->name));
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
  const LowerDevice* lower = flannel::lower_of(link.kind);
  if (!lower || (lower->name.empty() && lower->index == 0)) return 0;
  const std::string now = TRY(devices_.name_of(lower->index));
  if (!now.empty()) return lower->index;
  // A recreated interface has another index; UnderlayCheck puts that into the wish.
  const LinkRow* row = lower->index != 0 ? nullptr : TRY(devices_.find(lower->name));
  if (row != nullptr) return row->index;
  return fail(ErrorKind::not_found,
              fmt::format("create {}: there is no interface {}", link.name, lower->name));
}

Result<void> LinkSetup::create(const Link& link) {
  const int lower = TRY(lower_of(link));
  NetlinkBatch batch;
  create_link(batch, link, lower);
  auto created = carry_out(batch);
  const LinkKind& kind = kind_of(link.kind);
  // The kernel does not name the device that is in the way.
  if (!created && created.error().kind == ErrorKind::exists && kind.why_not_created) {
    created.error().text += kind.why_not_created(link, all_links());
  }
  if (!created && created.error().kind == ErrorKind::unsupported) {
    created.error().text += fmt::format(
        "; this kernel has no {0} devices: their module may be missing (modprobe {0})", kind.name);
  }
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
  // Before the device is up, so that it never sends from another port.
  if (const auto* wireguard = std::get_if<WireguardSettings>(&link.kind)) {
    TRY_DURING(wireguard_.set_up(row, *wireguard), "set up " + link.name);
  }
  NetlinkBatch batch;
  const LinkKind& kind = kind_of(link.kind);
  if (kind.has_changeable && kind.has_changeable(link.kind, *row.settings)) {
    change_link_settings(batch, row.index, link.kind, TRY(lower_of(link)));
  }
  const LinkChange differing = difference(row, link);
  if (has_changes(differing)) change_link(batch, row.index, differing);
  devices_.forget(link.name);
  auto done = carry_out(batch);
  if (!done && done.error().kind == ErrorKind::exists && differing.up && kind.why_not_up) {
    return fail(ErrorKind::exists,
                fmt::format("set {} up: {}", link.name, kind.why_not_up(link, all_links())));
  }
  TRY_DURING(std::move(done), "change " + link.name);
  return {};
}

// None if they cannot be read: they only explain a failure.
std::vector<LinkRow> LinkSetup::all_links() {
  NetlinkBatch request;
  dump_links(request);
  return dump_rows(socket_, request, decode_link).value_or(std::vector<LinkRow>{});
}

Result<void> LinkSetup::carry_out(NetlinkBatch& batch) {
  for (const auto& outcome : socket_.transact(batch))
    TRY(Result<void>(outcome));
  return {};
}

}  // namespace flannel
