// SPDX-License-Identifier: Apache-2.0
// vxlan devices, each with one VNI and one UDP port.
#include <fmt/format.h>
#include <linux/if_link.h>

#include "kernel/netlink/link_kind.h"
#include "plan/vxlan_device.h"

namespace flannel {
namespace {

const VxlanSettings& vxlan_of(const LinkSettings& settings) {
  return std::get<VxlanSettings>(settings);
}

bool is_on(const NetlinkAttributes<IFLA_VXLAN_MAX>& data, int type) {
  return data.number<std::uint8_t>(static_cast<std::size_t>(type)).value_or(0) != 0;
}

std::optional<LinkSettings> decode_vxlan(NetlinkBytes bytes, LinkRow& row) {
  const NetlinkAttributes<IFLA_VXLAN_MAX> data(bytes);
  VxlanSettings vxlan;
  vxlan.vni = data.number<std::uint32_t>(IFLA_VXLAN_ID).value_or(0);
  vxlan.port = data.big_endian(IFLA_VXLAN_PORT).value_or(0);
  const auto local6 = data.ip(IFLA_VXLAN_LOCAL6, Family::v6);
  vxlan.local = local6 ? *local6 : data.ip(IFLA_VXLAN_LOCAL, Family::v4).value_or(IpAddress{});
  vxlan.lower.index = data.number<std::int32_t>(IFLA_VXLAN_LINK).value_or(0);
  vxlan.learning = is_on(data, IFLA_VXLAN_LEARNING);
  vxlan.gbp = data.has(IFLA_VXLAN_GBP);
  vxlan.mac = row.mac;
  row.external = is_on(data, IFLA_VXLAN_COLLECT_METADATA);
  vxlan.plain = !data.has(IFLA_VXLAN_GROUP) && !data.has(IFLA_VXLAN_GROUP6) &&
                !is_on(data, IFLA_VXLAN_PROXY) && !is_on(data, IFLA_VXLAN_RSC) &&
                !is_on(data, IFLA_VXLAN_L2MISS) && !is_on(data, IFLA_VXLAN_L3MISS) && !row.external;
  return vxlan;
}

bool has_vxlan_name(std::string_view name, const LinkSettings& settings) {
  return is_vxlan_name(name, vxlan_of(settings).vni);
}

void put_vxlan_changes(NetlinkBatch& batch, const LinkSettings& settings, int lower) {
  const VxlanSettings& vxlan = vxlan_of(settings);
  if (!vxlan.local.is_unspecified()) {
    batch.put(vxlan.local.is_v4() ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, vxlan.local);
  }
  if (lower != 0) batch.put(IFLA_VXLAN_LINK, static_cast<std::uint32_t>(lower));
  // The kernel's default is on.
  batch.put(IFLA_VXLAN_LEARNING, std::uint8_t{vxlan.learning});
}

void put_new_vxlan(NetlinkBatch& batch, const LinkSettings& settings, int lower) {
  const VxlanSettings& vxlan = vxlan_of(settings);
  batch.put(IFLA_VXLAN_ID, vxlan.vni);
  put_vxlan_changes(batch, settings, lower);
  batch.put_big_endian(IFLA_VXLAN_PORT, vxlan.port);
  if (vxlan.gbp) batch.put_flag(IFLA_VXLAN_GBP);
}

bool has_vxlan_changes(const LinkSettings& wanted, const LinkSettings& there) {
  const VxlanSettings& want = vxlan_of(wanted);
  const VxlanSettings& have = vxlan_of(there);
  return want.learning != have.learning || want.local != have.local ||
         (want.lower.index != 0 && want.lower != have.lower);
}

// A second device with our VNI is possible for a moment if its port is another one. With the same
// port it is not possible, and no trial is needed: the port is ours.
std::optional<Link> port_trial(const LinkSettings& have, const Link& want) {
  const VxlanSettings& vxlan = vxlan_of(want.kind);
  if (vxlan_of(have).port == vxlan.port) return std::nullopt;
  Link trial = want;
  trial.up = true;
  trial.name = fmt::format("fl-try.{}", vxlan.vni);  // at most 15 characters
  return trial;
}

// nullptr: the device is of another kind, or `link` itself.
const VxlanSettings* other_vxlan(const LinkRow& row, const Link& link) {
  if (!row.settings || row.name == link.name) return nullptr;
  return std::get_if<VxlanSettings>(&*row.settings);
}

// The kernel keeps ports and VNIs apart by the family of the outer packets.
bool same_underlay_family(const VxlanSettings& one, const VxlanSettings& two) {
  return one.local.family == two.local.family;
}

std::string vni_holder(const Link& link, std::span<const LinkRow> others) {
  const VxlanSettings& vxlan = vxlan_of(link.kind);
  std::string why;
  for (const LinkRow& row : others) {
    const VxlanSettings* other = other_vxlan(row, link);
    if (!other || other->vni != vxlan.vni || !same_underlay_family(*other, vxlan)) continue;
    why += fmt::format(
        "; {} has VNI {}: delete it (ip link delete {}), or set another VNI in "
        "the Backend of the network's configuration",
        row.name, vxlan.vni, row.name);
  }
  return why;
}

// The kernel binds the port when the device is set up. Devices can share a port only if all have
// the same features.
std::string port_holder(const Link& link, std::span<const LinkRow> others) {
  const VxlanSettings& vxlan = vxlan_of(link.kind);
  for (const LinkRow& row : others) {
    const VxlanSettings* other = other_vxlan(row, link);
    if (!other || other->port != vxlan.port || !row.up) continue;
    if (!same_underlay_family(*other, vxlan) && !row.external) continue;
    return fmt::format(
        "UDP port {} is taken by the vxlan device {}, which has other features: give one of the "
        "two another port (Port in the Backend of the network's configuration)",
        vxlan.port, row.name);
  }
  return fmt::format(
      "UDP port {} is taken by a program (\"ss -lnup sport = {}\" names it): end it, or set "
      "another Port in the Backend of the network's configuration",
      vxlan.port, vxlan.port);
}

}  // namespace

const LinkKind kVxlanLink = {.name = "vxlan",
                             .backend = "vxlan",
                             .has_fdb = true,
                             .has_software_checksums = true,
                             .decode = decode_vxlan,
                             .is_our_name = has_vxlan_name,
                             .put_new = put_new_vxlan,
                             .put_changeable = put_vxlan_changes,
                             .has_changeable = has_vxlan_changes,
                             .trial = port_trial,
                             .why_not_created = vni_holder,
                             .why_not_up = port_holder};

}  // namespace flannel
