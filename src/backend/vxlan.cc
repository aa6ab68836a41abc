// SPDX-License-Identifier: Apache-2.0
#include "backend/vxlan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backend/peer_rules.h"
#include "core/go_json.h"

namespace flannel {
namespace {

constexpr std::uint32_t kMaxVni = (1U << 24) - 1;  // RFC 7348, section 5
constexpr std::uint32_t kMaxNamedVni = 9'999'999;
constexpr std::int64_t kMinBaseMtu = 576 + kVxlanOverhead;  // RFC 791: every host accepts 576 bytes
constexpr std::int64_t kMaxBaseMtu = 65535;

Result<VxlanOptions> read_vxlan_options(JsonObject& json) {
  VxlanOptions options;
  TRY(json.string("Type"));
  options.vni = static_cast<std::uint32_t>(TRY(json.integer("VNI", 1, kMaxVni)).value_or(1));
  if (options.vni > kMaxNamedVni) {
    return json.refuse("VNI", fmt::format("must be at most {}: the name of the device, flannel.{}, "
                                          "may have 15 characters",
                                          kMaxNamedVni, options.vni));
  }
  if (const auto port = TRY(json.integer("Port", 0, 65535)); port && *port != 0) {
    options.port = static_cast<std::uint16_t>(*port);
  }
  options.gbp = TRY(json.boolean("GBP")).value_or(false);
  options.learning = TRY(json.boolean("Learning")).value_or(false);
  options.direct_routing = TRY(json.boolean("DirectRouting")).value_or(false);
  // 0 is upstream's default and means the interface's MTU.
  if (const auto mtu = TRY(json.integer("MTU", 0, kMaxBaseMtu)); mtu && *mtu != 0) {
    if (*mtu < kMinBaseMtu) {
      return json.refuse("MTU", fmt::format("must be at least {}, or 0 for that of the underlay "
                                            "interface",
                                            kMinBaseMtu));
    }
    options.base_mtu = static_cast<std::uint32_t>(*mtu);
  }
  return options;
}

}  // namespace

Result<MadeBackend> VxlanBackend::make(std::string_view options_json, const Underlay& underlay) {
  auto json = TRY(JsonObject::parse(options_json, "the vxlan backend's options"));
  MadeBackend made;
  const VxlanOptions options = TRY(read_vxlan_options(json));
  if (options.base_mtu && *options.base_mtu > underlay.mtu) {
    made.warnings.push_back(fmt::format("MTU {} is more than {} has; {} is used", *options.base_mtu,
                                        underlay.interface, underlay.mtu));
  }
  if (underlay.mtu < kVxlanOverhead + kMinDeviceMtu) {
    return fail(ErrorKind::unsupported,
                fmt::format("vxlan adds {} bytes to a packet, and {} takes only {}", kVxlanOverhead,
                            underlay.interface, underlay.mtu));
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
  made.backend = std::make_unique<VxlanBackend>(options);
  return made;
}

std::string VxlanBackend::device() const {
  return fmt::format("flannel.{}", options_.vni);
}

LeaseAttributes VxlanBackend::announce(const HostFacts& host, const Lease* previous) const {
  // Peers continue to send to the MAC that they know, so the MAC that an earlier run, also of
  // another flannel release, announced for this VNI is reused.
  Mac mac = vtep_mac(host.node_id, options_.vni);
  if (previous != nullptr && previous->attributes.backend_type == kType) {
    const auto data = decode_vxlan_data(previous->attributes.backend_data);
    if (data && data->vni.value_or(options_.vni) == options_.vni) mac = data->vtep_mac;
  }
  LeaseAttributes attributes;
  attributes.public_ip = host.underlay.v4->public_ip;
  attributes.backend_type = kType;
  attributes.backend_data = encode_vxlan_data({options_.vni, mac});
  return attributes;
}

std::uint32_t VxlanBackend::overlay_mtu(const HostFacts& host) const {
  // The MTU never exceeds the underlay's: Linux would create the device with a lower MTU and then
  // refuse to set the one that subnet.env gives to containers.
  return std::min(options_.base_mtu.value_or(host.underlay.mtu), host.underlay.mtu) -
         kVxlanOverhead;
}

Scope VxlanBackend::scope(const IpPrefix& network) const {
  return {{device()}, {network}};
}

NetState VxlanBackend::host_state(const Lease& own, const HostFacts& host) const {
  VxlanSettings vxlan;
  vxlan.vni = options_.vni;
  vxlan.port = options_.port;
  vxlan.lower = {host.underlay.interface, host.underlay.interface_index};
  vxlan.local = host.underlay.v4->ip;  // not the public IP: behind NAT this host does not have it
  vxlan.learning = options_.learning;
  vxlan.gbp = options_.gbp;
  const auto data = decode_vxlan_data(own.attributes.backend_data);
  vxlan.mac = data ? data->vtep_mac : vtep_mac(host.node_id, options_.vni);
  NetState state;
  state.links.push_back({.name = device(), .kind = vxlan, .mtu = overlay_mtu(host), .up = true});
  state.addresses.push_back({.link = device(), .ip = own.subnet.v4.base, .bits = 32});
  return state;
}

Result<NetState> VxlanBackend::peer_state(const Lease& own, const Lease& peer,
                                          const HostFacts& host, const PeerFacts& facts) const {
  TRY(check_peer(own, peer, host, kType));
  const auto data = TRY(decode_vxlan_data(peer.attributes.backend_data));
  if (data.vni.value_or(options_.vni) != options_.vni) {
    return fail(ErrorKind::invalid,
                fmt::format("its VNI is {}, ours is {}", *data.vni, options_.vni));
  }
  const IpPrefix& subnet = peer.subnet.v4;
  NetState state;
  if (options_.direct_routing && facts.on_link) {
    state.routes.push_back(
        {.to = subnet, .via = peer.attributes.public_ip, .link = host.underlay.interface});
    return state;
  }
  state.neighbours.push_back({.link = device(), .ip = subnet.base, .mac = data.vtep_mac});
  state.fdb.push_back(
      {.link = device(), .mac = data.vtep_mac, .remote = peer.attributes.public_ip});
  state.routes.push_back({.to = subnet, .via = subnet.base, .link = device(), .onlink = true});
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
