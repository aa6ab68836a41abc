// SPDX-License-Identifier: Apache-2.0
#include "core/lease.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parse.h"
#include "base/printable.h"
#include "core/go_json.h"

namespace flannel {
namespace {

constexpr std::size_t kMaxKey = 64;  // the longest key, of both families, has 62

// What a key without IPv4 has in the place of an IPv4 subnet: upstream's encoder would write it.
constexpr std::string_view kNoIpv4 = "0.0.0.0-0";

Failure bad_key(std::string_view text, std::string_view why) {
  return fail(ErrorKind::invalid,
              fmt::format("subnet key {}: {}", in_quotes(text.substr(0, kMaxKey)), why));
}

std::string key_part(std::string cidr) {
  cidr[cidr.rfind('/')] = '-';
  return cidr;
}

// Reads one family's part, "BASE-LEN". It must equal the text that we would write: host bits, upper
// case or another spelling of an IPv6 address would give one subnet several keys.
Result<IpPrefix> read_part(std::string_view key, std::string_view part, Family family) {
  const auto dash = std::min(part.rfind('-'), part.size());
  const auto base = IpAddress::parse(part.substr(0, dash), family);
  const auto bits = parse_decimal<std::uint8_t>(part.substr(std::min(dash + 1, part.size())));
  if (!base || !bits || *bits >= address_bits(family)) {
    return bad_key(key, fmt::format("{} is not like {}", in_quotes(part),
                                    family == Family::v4 ? "10.5.52.0-24" : "fd00:12::-56"));
  }
  const IpPrefix net = IpPrefix::of(*base, *bits);
  if (const std::string ours = key_part(to_string(net)); part != ours) {
    return bad_key(key, "must be written as " + ours);
  }
  return net;
}

// Escapes characters as Go's encoder does, also inside of raw JSON. In valid JSON these characters
// occur only in strings.
std::string html_escaped(std::string_view json) {
  static constexpr std::string_view line_separators = "\xe2\x80";  // then a8 or a9
  std::string escaped;
  escaped.reserve(json.size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    const std::string_view rest = json.substr(i);
    if (c == '<' || c == '>' || c == '&') {
      escaped += fmt::format("\\u{:04x}", c);
    } else if (rest.size() >= 3 && rest.starts_with(line_separators) &&
               (rest[2] == '\xa8' || rest[2] == '\xa9')) {
      escaped += rest[2] == '\xa8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string unless_null(std::optional<std::string> json) {
  return !json || *json == "null" ? std::string() : *std::move(json);
}

// The node tag; nullopt for an unknown form, which a later release may write: the peer is used
// anyway.
std::optional<NodeTag> node_in(JsonObject& object) {
  const auto text = object.string("NodeID");
  if (!text || !*text) return std::nullopt;
  const auto tag = decode_node_tag(**text);
  return tag ? std::optional(*tag) : std::nullopt;
}

// Reads what is announced of the backend; nothing from an unknown form, as for the node tag. An MTU
// that no host can have counts as absent, and the peer is used.
void read_backend(JsonObject& lease, LeaseAttributes& attributes) {
  const auto text = lease.json("Backend");
  if (!text) return;
  auto object = JsonObject::parse(*text, "Backend");
  if (!object) return;
  const auto type = object->string("Type");
  const auto vni = object->integer("VNI", 0, kMaxVni);
  const auto port = object->integer("Port", 0, 65535);
  if (!type || !*type || !vni || !port) return;
  attributes.backend = AnnouncedBackend{.type = **type,
                                        .vni = static_cast<std::uint32_t>(vni->value_or(0)),
                                        .port = static_cast<std::uint16_t>(port->value_or(0))};
  const auto mtu = object->integer("MTU", 1, kMaxMtu);
  if (mtu) attributes.mtu = static_cast<std::uint32_t>(mtu->value_or(0));
}

std::string encode(const AnnouncedBackend& backend, std::uint32_t mtu) {
  std::string json = fmt::format("{{\"Type\":{}", json_quote(backend.type));
  if (backend.vni != 0) json += fmt::format(",\"VNI\":{}", backend.vni);
  if (backend.port != 0) json += fmt::format(",\"Port\":{}", backend.port);
  if (mtu != 0) json += fmt::format(",\"MTU\":{}", mtu);
  return json + '}';
}

}  // namespace

std::string to_string(const AnnouncedBackend& backend) {
  const std::string type = printable(shortened(backend.type));
  if (backend.vni != 0 && backend.port != 0) {
    return fmt::format("{} (VNI {}, Port {})", type, backend.vni, backend.port);
  }
  if (backend.vni != 0) return fmt::format("{} (VNI {})", type, backend.vni);
  return backend.port == 0 ? type : fmt::format("{} (Port {})", type, backend.port);
}

std::string encode_subnet_key(const SubnetKey& key) {
  std::string text = key.v4 ? key_part(to_string(*key.v4)) : std::string(kNoIpv4);
  if (key.v6) text.append("&").append(key_part(to_string(*key.v6)));
  return text;
}

Result<SubnetKey> decode_subnet_key(std::string_view text) {
  if (text.size() > kMaxKey) return bad_key(text, "too long");
  const auto both = text.find('&');
  SubnetKey key;
  if (both != text.npos) {
    key.v6 = TRY(read_part(text, text.substr(both + 1), Family::v6));
  }
  const std::string_view first = text.substr(0, both);
  if (!key.v6 || first != kNoIpv4) key.v4 = TRY(read_part(text, first, Family::v4));
  return key;
}

std::string to_string(const SubnetKey& key) {
  std::string text = key.v4 ? to_string(*key.v4) : "";
  if (key.v6) text.append(key.v4 ? "," : "").append(to_string(*key.v6));
  return text;
}

SubnetKey SubnetKey::of(const IpPrefix& subnet) {
  SubnetKey key;
  key.at(subnet.family()) = subnet;
  return key;
}

bool SubnetKey::overlaps(const SubnetKey& other) const {
  return std::ranges::any_of(kFamilies, [&](Family family) {
    const auto& mine = at(family);
    const auto& theirs = other.at(family);
    return mine && theirs && mine->overlaps(*theirs);
  });
}

bool SubnetKey::shares_subnet_with(const SubnetKey& other) const {
  return (v4 && v4 == other.v4) || (v6 && v6 == other.v6);
}

// IPv4: RFC 1122, section 3.2.1.3: 0.0.0.0/8 is this network, and 127.0.0.0/8 this host. RFC 1112:
// addresses from 224.0.0.0 on are multicast, reserved or broadcast, and cannot be a host's.
// IPv6: RFC 4291, section 2.5: ::/80 has the unspecified and the loopback address, and IPv4
// addresses in the form of IPv6.
bool can_be_a_host(const IpAddress& ip) {
  if (ip.is_loopback() || ip.is_multicast()) return false;
  if (ip.is_v4()) return ip.bytes[0] != 0 && ip.bytes[0] < 224;
  return IpPrefix::of(ip, 80).base != IpAddress::unspecified(Family::v6);
}

bool PublicIps::same_host(const PublicIps& other) const {
  return v4 && other.v4 ? v4 == other.v4 : v6 && v6 == other.v6;
}

std::optional<IpAddress> PublicIps::shared_with(const PublicIps& other) const {
  if (v4 && v4 == other.v4) return v4;
  return v6 && v6 == other.v6 ? v6 : std::nullopt;
}

std::string to_string(const PublicIps& ips) {
  std::string text = ips.v4 ? to_string(*ips.v4) : "";
  if (ips.v6) text.append(ips.v4 ? "," : "").append(to_string(*ips.v6));
  return text;
}

LeaseAttributes LeaseAttributes::of_host(const PublicIps& ips) {
  LeaseAttributes attributes;
  attributes.public_ip = ips.v4.value_or(IpAddress());
  attributes.public_ip6 = ips.v6;
  return attributes;
}

PublicIps LeaseAttributes::public_ips() const {
  PublicIps ips;
  if (!public_ip.is_unspecified()) ips.v4 = public_ip;
  if (public_ip6 && !public_ip6->is_unspecified()) ips.v6 = public_ip6;
  return ips;
}

std::string encode_lease_value(const LeaseAttributes& attributes) {
  const auto& ip6 = attributes.public_ip6;
  std::string json =
      fmt::format("{{\"PublicIP\":\"{}\",\"PublicIPv6\":{}", to_string(attributes.public_ip),
                  ip6 ? json_quote(to_string(*ip6)) : "null");
  const auto member = [&](std::string_view name, std::string_view value) {
    json.append(fmt::format(",\"{}\":", name)).append(html_escaped(value));
  };
  if (!attributes.backend_type.empty()) member("BackendType", json_quote(attributes.backend_type));
  if (!attributes.backend_data.empty()) member("BackendData", attributes.backend_data);
  if (!attributes.backend_v6_data.empty()) member("BackendV6Data", attributes.backend_v6_data);
  if (attributes.node) member("NodeID", json_quote(to_string(*attributes.node)));
  if (attributes.backend) member("Backend", encode(*attributes.backend, attributes.mtu));
  json += '}';
  return json;
}

Result<LeaseAttributes> decode_lease_value(std::string_view json) {
  JsonObject object = TRY(JsonObject::parse(json, "the lease"));
  LeaseAttributes attributes;
  const auto public_ip = TRY(object.parsed<IpAddress>("PublicIP", Family::v4));
  if (!public_ip) return object.refuse("PublicIP", "is missing");
  attributes.public_ip = *public_ip;
  if (!object.is_null("PublicIPv6")) {
    attributes.public_ip6 = TRY(object.parsed<IpAddress>("PublicIPv6", Family::v6));
  }
  attributes.backend_type = TRY(object.string("BackendType")).value_or("");
  attributes.backend_data = unless_null(object.json("BackendData"));
  attributes.backend_v6_data = unless_null(object.json("BackendV6Data"));
  attributes.node = node_in(object);
  read_backend(object, attributes);
  return attributes;
}

Ownership HostIdentity::ownership(const Lease& lease) const {
  const LeaseAttributes& record = lease.attributes;
  const bool same_ip = public_ips.same_host(record.public_ips());
  const bool known = node && record.node;
  const bool same_id = known && record.node->id == node->id;
  const bool same_boot = known && record.node->boot == node->boot;
  if (same_id && (same_boot || same_ip)) return Ownership::node;
  if (!same_ip) return Ownership::none;
  if (subnet && lease.subnet.shares_subnet_with(*subnet)) return Ownership::subnet_file;
  if (same_boot) return Ownership::boot;
  return known ? Ownership::none : Ownership::address;
}

bool HostIdentity::wrote(const LeaseAttributes& record) const {
  return HostIdentity(public_ips, node).owns({{}, record});
}

bool HostIdentity::is_copy(const LeaseAttributes& record) const {
  return node && record.node && record.node->id == node->id && !wrote(record);
}

}  // namespace flannel
