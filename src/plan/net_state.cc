// SPDX-License-Identifier: Apache-2.0
#include "plan/net_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace flannel {
namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
// clang 16 deduces none for an aggregate.
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

std::string words(const Link& link) {
  const auto mac = mac_of(link.kind);
  return fmt::format("link {} {} mtu {}{} {}{}{}", link.name, to_string(link.kind), link.mtu,
                     mac ? " mac " + to_string(*mac) : "", link.up ? "up" : "down",
                     link.strict_source_check ? " rp_filter 1" : "",
                     link.software_checksums ? " tx off" : "");
}

std::string words(const Address& address) {
  return fmt::format("addr {}/{} dev {}{}", to_string(address.ip), address.bits, address.link,
                     address.routed ? "" : " without its route");
}

std::string words(const Neighbour& neighbour) {
  return fmt::format("neigh {} dev {} lladdr {} nud permanent", to_string(neighbour.ip),
                     neighbour.link, to_string(neighbour.mac));
}

std::string words(const FdbEntry& entry) {
  return fmt::format("fdb {} dev {} dst {} self permanent", to_string(entry.mac), entry.link,
                     to_string(entry.remote));
}

std::string words(const WireguardPeer& peer) {
  return to_string(peer);
}

std::string words(const IpsecPolicy& policy) {
  return to_string(policy);
}

std::string words(const Route& route) {
  if (route.blackhole) return fmt::format("blackhole {}", to_string(route.to));
  std::string via;
  if (!route.via.is_unspecified()) {
    const bool other_family = route.via.family != route.to.family();
    via = fmt::format("via {}{} ", other_family ? "inet6 " : "", to_string(route.via));
  }
  const std::string mtu = route.mtu == 0 ? "" : fmt::format(" mtu {}", route.mtu);
  return fmt::format("route {} {}dev {}{}{}{}", to_string(route.to), via, route.link,
                     route.onlink ? " onlink" : "", mtu,
                     route.foreign ? " of another program" : "");
}

ObjectKeyView identity(const Link& link) {
  return {.link = link.name};
}
ObjectKeyView identity(const Address& address) {
  return {.link = address.link, .ip = address.ip, .bits = address.bits};
}
ObjectKeyView identity(const Neighbour& neighbour) {
  return {.link = neighbour.link, .ip = neighbour.ip};
}
ObjectKeyView identity(const FdbEntry& entry) {
  return {.link = entry.link, .mac = entry.mac};
}
ObjectKeyView identity(const WireguardPeer& peer) {
  return {.link = peer.link, .key = peer.key};
}
ObjectKeyView identity(const IpsecPolicy& policy) {
  return {.ip = policy.to.base,
          .bits = policy.to.bits,
          .from = policy.from,
          .direction = policy.direction};
}
ObjectKeyView identity(const Route& route) {
  return {.ip = route.to.base, .bits = route.to.bits, .blackhole = route.blackhole};
}

}  // namespace

ObjectKeyView key_view(const KernelObject& object) {
  ObjectKeyView key = std::visit([](const auto& any) { return identity(any); }, object);
  key.kind = object.index();
  return key;
}

ObjectKeyView key_view(const ObjectKey& key) {
  return {key.kind, key.link, key.ip,   key.bits,     key.blackhole,
          key.mac,  key.key,  key.from, key.direction};
}

ObjectKey key_of(const KernelObject& object) {
  const ObjectKeyView key = key_view(object);
  return {key.kind, std::string(key.link), key.ip, key.bits, key.blackhole, key.mac, key.key,
          key.from, key.direction};
}

const std::string& device_of(const KernelObject& object) {
  if (const auto* link = std::get_if<Shared<Link>>(&object)) return (*link)->name;
  if (const auto* address = std::get_if<Address>(&object)) return address->link;
  if (const auto* neighbour = std::get_if<Neighbour>(&object)) return neighbour->link;
  if (const auto* entry = std::get_if<FdbEntry>(&object)) return entry->link;
  if (const auto* peer = std::get_if<Shared<WireguardPeer>>(&object)) return (*peer)->link;
  static const std::string kNone;
  if (std::holds_alternative<Shared<IpsecPolicy>>(object)) return kNone;
  return std::get<Route>(object).link;
}

std::vector<KernelObject> objects_of(const NetState& state) {
  std::vector<KernelObject> objects;
  objects.reserve(state.links.size() + state.addresses.size() + state.neighbours.size() +
                  state.fdb.size() + state.wireguard.size() + state.policies.size() +
                  state.routes.size());
  const auto append = [&objects](const auto& some) {
    objects.insert(objects.end(), some.begin(), some.end());
  };
  append(state.links);
  append(state.addresses);
  append(state.neighbours);
  append(state.fdb);
  append(state.wireguard);
  append(state.policies);
  append(state.routes);
  return objects;
}

void add(NetState& state, KernelObject object) {
  std::visit(Overloaded{
                 [&](Shared<Link>&& link) { state.links.push_back(*link); },
                 [&](Address&& address) { state.addresses.push_back(std::move(address)); },
                 [&](Neighbour&& neighbour) { state.neighbours.push_back(std::move(neighbour)); },
                 [&](FdbEntry&& entry) { state.fdb.push_back(std::move(entry)); },
                 [&](Shared<WireguardPeer>&& peer) { state.wireguard.push_back(std::move(peer)); },
                 [&](Shared<IpsecPolicy>&& policy) { state.policies.push_back(std::move(policy)); },
                 [&](Route&& route) { state.routes.push_back(std::move(route)); },
             },
             std::move(object));
}

NetState joined(NetState one, const NetState& other) {
  for (KernelObject& object : objects_of(other))
    add(one, std::move(object));
  return one;
}

std::string to_string(const KernelObject& object) {
  return std::visit([](const auto& any) { return words(any); }, object);
}

std::string dump(const NetState& state) {
  std::vector<std::pair<ObjectKey, std::string>> lines;
  for (const KernelObject& object : objects_of(state)) {
    lines.emplace_back(key_of(object), to_string(object));
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const auto& [key, line] : lines)
    text.append(line).append("\n");
  return text;
}

}  // namespace flannel
