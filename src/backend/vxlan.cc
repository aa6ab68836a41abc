// SPDX-License-Identifier: Apache-2.0
#include "backend/vxlan.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "backend/peer_rules.h"
#include "core/go_json.h"
#include "plan/vxlan_device.h"

namespace flannel {
namespace {

Result<void> check_name(const JsonObject& json, std::uint32_t vni, Family family) {
  const std::uint32_t most = family == Family::v4 ? 9'999'999 : 9'999;
  if (vni <= most) return {};
  return json.refuse("VNI", fmt::format("must be at most {}: the name of the device, {}, may have "
                                        "15 characters",
                                        most, vxlan_name(family, vni, 1)));
}

// Linux removes IPv6 from a device whose MTU becomes too low for it.
Result<void> check_base_mtu(const JsonObject& json, const VxlanOptions& options, Family family,
                            std::uint32_t overhead) {
  const std::uint32_t least = overhead + min_device_mtu(family);
  if (options.base_mtu.value_or(least) >= least) return {};
  return json.refuse("MTU",
                     fmt::format("must be at least {}, or 0 for that of the underlay "
                                 "interface: {} bytes are added, and {} needs {}",
                                 least, overhead, to_string(family), min_device_mtu(family)));
}

bool has(const std::vector<Family>& families, Family family) {
  return std::ranges::find(families, family) != families.end();
}

Result<VxlanOptions> read_vxlan_options(JsonObject& json) {
  VxlanOptions options;
  TRY(json.string("Type"));
  options.vni = static_cast<std::uint32_t>(TRY(json.integer("VNI", 1, kMaxVni)).value_or(1));
  if (const auto port = TRY(json.integer("Port", 0, 65535)); port && *port != 0) {
    options.port = static_cast<std::uint16_t>(*port);
  }
  options.gbp = TRY(json.boolean("GBP")).value_or(false);
  options.learning = TRY(json.boolean("Learning")).value_or(false);
  options.direct_routing = TRY(json.boolean("DirectRouting")).value_or(false);
  options.base_mtu = TRY(read_base_mtu(json, vxlan_overhead(Family::v4)));
  return options;
}

}  // namespace

Result<MadeBackend> VxlanBackend::make(const NetworkConfig& config, const Underlay& underlay) {
  auto json = TRY(JsonObject::parse(config.backend_options, "the vxlan backend's options"));
  MadeBackend made;
  const VxlanOptions options = TRY(read_vxlan_options(json));
  if (options.base_mtu && *options.base_mtu > underlay.mtu) {
    made.warnings.push_back(fmt::format("MTU {} is more than {} has; {} is used", *options.base_mtu,
                                        underlay.interface, underlay.mtu));
  }
  std::vector<Family> families, underlays;
  for (const IpPrefix& network : config.networks())
    families.push_back(network.family());
  for (const UnderlayAddress& at : values_of(underlay))
    underlays.push_back(at.ip.family);
  auto backend = std::make_unique<VxlanBackend>(options, families, std::move(underlays));
  const Family largest = backend->outer_families().back();
  TRY(check_name(json, options.vni, largest));
  for (const Family family : families) {
    TRY(check_base_mtu(json, options, family, vxlan_overhead(largest)));
    TRY(check_underlay_mtu(kType, vxlan_overhead(largest), family, underlay));
  }
  for (const char* windows : {"MacPrefix", "Name"}) {
    if (json.json(windows)) {
      made.warnings.push_back(fmt::format("{} has no effect on Linux", windows));
    }
  }
  append_unknown_options(json, made.warnings);
  made.options =
      fmt::format("VXLAN config: VNI={} Port={} GBP={} Learning={} DirectRouting={}", options.vni,
                  options.port, options.gbp, options.learning, options.direct_routing);
  made.backend = std::move(backend);
  return made;
}

std::string VxlanBackend::device(Family underlay, const HostFacts& host) const {
  return vxlan_name(underlay, options_.vni, host.device_number);
}

std::vector<Family> VxlanBackend::outer_families() const {
  std::vector<Family> outer;
  std::ranges::copy_if(kFamilies, std::back_inserter(outer), [this](Family family) {
    return has(families_, family) || has(underlays_, family);
  });
  return outer;
}

Family VxlanBackend::device_with_address(Family family) const {
  return has(underlays_, family) ? family : underlays_.front();
}

// The device with our address of a family is the first one of this family.
std::vector<BackendDevice> VxlanBackend::devices(const HostFacts& host) const {
  std::vector<BackendDevice> all;
  for (const Family family : families_) {
    const Family first = device_with_address(family);
    all.push_back({device(first, host), family});
    for (const Family outer : outer_families()) {
      if (outer != first) all.push_back({device(outer, host), family});
    }
  }
  return all;
}

// Peers continue to send to the MAC that they know, so the MAC that was announced for this VNI is
// reused, also that of an earlier run or another flannel release. VNIs have 24 bits; the bit above
// them gives the IPv6 device a MAC of its own.
Mac VxlanBackend::mac_of(const LeaseAttributes* announced, Family underlay,
                         const HostFacts& host) const {
  const bool has_device = announced != nullptr && announced->backend_type == kType &&
                          announced->public_ips().at(underlay);
  if (has_device) {
    const auto data = decode_vxlan_data(announced->data(underlay));
    if (data && data->vni.value_or(options_.vni) == options_.vni) return data->vtep_mac;
  }
  return vtep_mac(host.node_id, options_.vni | (underlay == Family::v6 ? 1U << 24 : 0));
}

// Upstream flannel ignores a whole peer without data of a family that the network has, and crashes
// on data without an address. So a family of the network that the underlay lacks is announced with
// an unspecified address, to which the kernel sends nothing.
LeaseAttributes VxlanBackend::announce(const HostFacts& host, const Lease* previous) const {
  LeaseAttributes attributes = LeaseAttributes::of_host(public_ips_of(host.underlay));
  attributes.backend_type = kType;
  attributes.backend = announced();
  attributes.mtu = announced_mtu(overlay_mtu(host));
  const LeaseAttributes* before = previous == nullptr ? nullptr : &previous->attributes;
  for (const Family underlay : underlays_)
    attributes.data(underlay) = encode_vxlan_data({options_.vni, mac_of(before, underlay, host)});
  for (const Family family : families_) {
    if (host.underlay.at(family)) continue;
    attributes.data(family) = attributes.data(underlays_.front());
    if (family == Family::v6) attributes.public_ip6 = IpAddress::unspecified(Family::v6);
  }
  return attributes;
}

// The MTU never exceeds what the underlay carries: Linux would create the device with a lower MTU
// and then refuse to set the one that subnet.env gives to containers.
std::uint32_t VxlanBackend::device_mtu(Family underlay, const HostFacts& host) const {
  return std::min(options_.base_mtu.value_or(host.underlay.mtu), host.underlay.mtu) -
         vxlan_overhead(underlay);
}

// A packet must also pass through the device of the host that receives it, whose underlay may be of
// another family of the network.
std::uint32_t VxlanBackend::overlay_mtu(const HostFacts& host) const {
  std::uint32_t mtu = UINT32_MAX;
  for (const Family outer : outer_families())
    mtu = std::min(mtu, device_mtu(outer, host));
  return mtu;
}

NetState VxlanBackend::host_state(const Lease& own, const HostFacts& host) const {
  NetState state;
  for (const Family underlay : underlays_) {
    VxlanSettings vxlan;
    vxlan.vni = options_.vni;
    vxlan.port = options_.port;
    vxlan.lower = {host.underlay.interface, host.underlay.interface_index};
    vxlan.local = host.underlay.at(underlay)->ip;  // behind NAT this host lacks the public IP
    vxlan.learning = options_.learning;
    vxlan.gbp = options_.gbp;
    vxlan.mac = mac_of(&own.attributes, underlay, host);
    state.links.push_back({.name = device(underlay, host),
                           .kind = vxlan,
                           .mtu = device_mtu(underlay, host),
                           .up = true});
  }
  for (const IpPrefix& subnet : values_of(own.subnet)) {
    const Family family = subnet.family();
    state.addresses.push_back({.link = device(device_with_address(family), host),
                               .ip = subnet.base,
                               .bits = address_bits(family)});
  }
  return state;
}

Result<NetState> VxlanBackend::peer_state(const Lease& own, const Lease& peer,
                                          const HostFacts& host, const PeerPath& path) const {
  TRY(check_peer(own, peer, host, path, kType));
  const Family underlay = path.carrier.family;
  const auto data = TRY(decode_vxlan_data(peer.attributes.data(underlay)));
  if (data.vni.value_or(options_.vni) != options_.vni) {
    return fail(ErrorKind::invalid,
                fmt::format("its VNI is {}, ours is {}", *data.vni, options_.vni));
  }
  const IpPrefix& subnet = *peer.subnet.at(path.family);
  NetState state;
  const std::uint32_t mtu = route_mtu(peer, path.family, overlay_mtu(host));
  const bool can_be_gateway = underlay == path.family || underlay == Family::v6;  // RFC 5549
  if (options_.direct_routing && path.on_link && can_be_gateway) {
    state.routes.push_back(
        {.to = subnet, .via = path.carrier, .link = host.underlay.interface, .mtu = mtu});
    return state;
  }
  const std::string name = device(underlay, host);
  // Linux takes the source of this host's own packets from the device that they leave by.
  const IpPrefix& ours = *own.subnet.at(path.family);
  if (underlay != path.family) {
    state.addresses.push_back({.link = name, .ip = ours.base, .bits = address_bits(path.family)});
  }
  state.neighbours.push_back({.link = name, .ip = subnet.base, .mac = data.vtep_mac});
  state.fdb.push_back({.link = name, .mac = data.vtep_mac, .remote = path.carrier});
  state.routes.push_back(
      {.to = subnet, .via = subnet.base, .link = name, .onlink = true, .mtu = mtu});
  return state;
}

std::string encode_vxlan_data(const VxlanData& data) {
  return fmt::format(R"({{"VNI":{},"VtepMAC":"{}"}})", data.vni.value_or(1),
                     to_string(data.vtep_mac));
}

Result<VxlanData> decode_vxlan_data(std::string_view text) {
  if (text.empty()) return fail(ErrorKind::invalid, "it announces no BackendData");
  auto json = TRY(JsonObject::parse(text, "BackendData"));
  VxlanData data;
  if (const auto vni = TRY(json.integer("VNI", 0, kMaxVni))) {
    data.vni = static_cast<std::uint32_t>(*vni);
  }
  const auto mac = TRY(json.parsed<Mac>("VtepMAC"));
  if (!mac) return fail(ErrorKind::invalid, "BackendData has no VtepMAC");
  if (mac->is_zero() || mac->is_multicast()) {
    return json.refuse("VtepMAC", "must be a unicast address");
  }
  data.vtep_mac = *mac;
  return data;
}

}  // namespace flannel
