// SPDX-License-Identifier: Apache-2.0
#include "support/fake_kernel.h"

#include <algorithm>
#include <iterator>

#include "plan/diff.h"

namespace flannel {
namespace {

Failure no_device(const std::string& name) {
  return fail(ErrorKind::not_found, "no device " + name);
}

template <typename Object, typename Keep>
void copy_if(const std::vector<Object>& from, std::vector<Object>& into, Keep keep) {
  std::copy_if(from.begin(), from.end(), std::back_inserter(into), keep);
}

}  // namespace

Result<NetState> FakeKernel::read(const Scope& scope) {
  ++reads_;
  if (read_error_) return Failure(*read_error_);
  const auto ours = [&scope](const auto& object) { return scope.has_link(object.link); };
  NetState seen;
  copy_if(state_.links, seen.links, [&](const Link& link) { return scope.has_link(link.name); });
  copy_if(state_.addresses, seen.addresses,
          [&](const Address& address) { return ours(address) && scope.contains(address.ip); });
  copy_if(state_.neighbours, seen.neighbours, ours);
  copy_if(state_.fdb, seen.fdb, ours);
  copy_if(state_.wireguard, seen.wireguard,
          [&](const auto& peer) { return scope.has_link(peer->link); });
  copy_if(state_.policies, seen.policies,
          [&scope](const auto& policy) { return scope.contains(policy->to); });
  copy_if(state_.routes, seen.routes, [&](const Route& route) {
    return !route.foreign || (scope.is_own_subnet(route.to) && ours(route));
  });
  if (backwards_) {
    std::reverse(seen.addresses.begin(), seen.addresses.end());
    std::reverse(seen.neighbours.begin(), seen.neighbours.end());
    std::reverse(seen.fdb.begin(), seen.fdb.end());
    std::reverse(seen.wireguard.begin(), seen.wireguard.end());
    std::reverse(seen.policies.begin(), seen.policies.end());
    std::reverse(seen.routes.begin(), seen.routes.end());
  }
  return seen;
}

std::vector<Result<void>> FakeKernel::apply(std::span<const KernelChange> changes) {
  ++batches_;
  std::vector<Result<void>> results;
  for (const KernelChange& change : changes) {
    log_.append(to_string(change.op)).append(" ").append(to_string(change.object)).append("\n");
    results.push_back(carry_out(change));
  }
  return results;
}

Result<void> FakeKernel::carry_out(const KernelChange& change) {
  const std::string line = to_string(change.object);
  const auto touched = [&line](const std::string& words) { return line.find(words) != line.npos; };
  for (const auto& [words, error] : failures_) {
    if (touched(words)) return Failure(error);
  }
  if (std::any_of(lost_.begin(), lost_.end(), touched)) return {};
  if (change.op == Op::remove) {
    remove(change.object);
    return {};
  }
  if (change.op == Op::recreate) remove(change.object);
  return std::visit([this](const auto& object) { return put(object); }, change.object);
}

Result<void> FakeKernel::put(const Link& link) {
  if (foreign_.contains(link.name)) {
    return fail(ErrorKind::exists, link.name + " is a device of another kind");
  }
  Link* there = find(link.name);
  if (!there) {
    if (std::holds_alternative<TunSettings>(link.kind)) return no_device(link.name);
    const LowerDevice* lower = lower_of(link.kind);
    if (lower && !foreign_.contains(lower->name)) return no_device(lower->name);
    if (auto free = check_port(link); !free) return free;
    state_.links.push_back(link);
    return {};
  }
  if (needs_new_device(*there, link) || there->kind.index() != link.kind.index()) {
    return fail(ErrorKind::unsupported, "cannot be changed in place");
  }
  if (mac_of(there->kind) != mac_of(link.kind)) {
    std::erase_if(state_.neighbours, [&](const Neighbour& n) { return n.link == link.name; });
  }
  if (!link.up) drop_for_down(link.name);
  *there = link;
  return {};
}

// Linux has one device with a VNI on a UDP port, and all devices on the port have GBP or none has.
// IPv4 and IPv6 have ports of their own.
Result<void> FakeKernel::check_port(const Link& link) const {
  const auto* ours = std::get_if<VxlanSettings>(&link.kind);
  if (!ours) return {};
  for (const Link& other : state_.links) {
    const auto* there = std::get_if<VxlanSettings>(&other.kind);
    if (!there || there->port != ours->port || there->local.family != ours->local.family) continue;
    if (there->vni == ours->vni || there->gbp != ours->gbp) {
      return fail(ErrorKind::exists, other.name + " is in the way of " + link.name);
    }
  }
  return {};
}

Result<void> FakeKernel::put(const Address& address) {
  if (auto device = need_device(address.link); !device) return device;
  auto& all = state_.addresses;
  const auto there =
      std::ranges::find(all, key_of(address), [](const Address& other) { return key_of(other); });
  if (there == all.end()) {
    all.push_back(address);
  } else {
    *there = address;
  }
  return {};
}

Result<void> FakeKernel::put(const Neighbour& neighbour) {
  if (auto device = need_device(neighbour.link); !device) return device;
  std::erase_if(state_.neighbours, [&](const Neighbour& other) {
    return other.link == neighbour.link && other.ip == neighbour.ip;
  });
  state_.neighbours.push_back(neighbour);
  return {};
}

Result<void> FakeKernel::put(const FdbEntry& entry) {
  if (auto device = need_device(entry.link); !device) return device;
  std::erase_if(state_.fdb, [&](const FdbEntry& other) {
    return other.link == entry.link && other.mac == entry.mac;
  });
  state_.fdb.push_back(entry);
  return {};
}

// A subnet leads to the peer that got it last.
Result<void> FakeKernel::put(const WireguardPeer& peer) {
  const Link* link = find(peer.link);
  if (!link || !std::holds_alternative<WireguardSettings>(link->kind)) return no_device(peer.link);
  std::erase_if(state_.wireguard, [&](const auto& other) {
    return other->link == peer.link && other->key == peer.key;
  });
  for (Shared<WireguardPeer>& other : state_.wireguard) {
    if (other->link != peer.link) continue;
    WireguardPeer left = *other;
    std::erase_if(left.allowed, [&](const IpPrefix& prefix) {
      return std::ranges::find(peer.allowed, prefix) != peer.allowed.end();
    });
    other = std::move(left);
  }
  state_.wireguard.emplace_back(peer);
  return {};
}

Result<void> FakeKernel::put(const IpsecPolicy& policy) {
  const KernelObject object = Shared(policy);
  std::erase_if(state_.policies,
                [&](const auto& other) { return key_view(other) == key_view(object); });
  state_.policies.emplace_back(policy);
  return {};
}

Result<void> FakeKernel::put(const Route& route) {
  if (!route.blackhole) {
    const bool up = TRY(is_up(route.link));
    if (!up) return fail(ErrorKind::unavailable, "Nexthop device is not up");
    if (!route.via.is_unspecified() && !route.onlink && !reaches(route.link, route.via)) {
      return fail(ErrorKind::unavailable, "Nexthop has invalid gateway");
    }
  }
  const auto same =
      std::find_if(state_.routes.begin(), state_.routes.end(), [&](const Route& other) {
        return other.to == route.to && other.blackhole == route.blackhole;
      });
  if (same != state_.routes.end()) {
    *same = route;
  } else {
    state_.routes.push_back(route);
  }
  return {};
}

void FakeKernel::remove(const KernelObject& object) {
  if (const auto* link = std::get_if<Shared<Link>>(&object)) {
    const std::string& name = (*link)->name;
    if (find(name)) delete_device(name);
    return;
  }
  if (const auto* neighbour = std::get_if<Neighbour>(&object)) {
    std::erase_if(state_.neighbours, [neighbour](const Neighbour& other) {
      return other.link == neighbour->link && other.ip == neighbour->ip;
    });
    return;
  }
  if (const auto* peer = std::get_if<Shared<WireguardPeer>>(&object)) {
    std::erase_if(state_.wireguard, [&gone = **peer](const auto& other) {
      return other->link == gone.link && other->key == gone.key;
    });
  }
  if (const auto* policy = std::get_if<Shared<IpsecPolicy>>(&object)) {
    std::erase(state_.policies, *policy);
  }
  if (const auto* address = std::get_if<Address>(&object)) std::erase(state_.addresses, *address);
  if (const auto* entry = std::get_if<FdbEntry>(&object)) std::erase(state_.fdb, *entry);
  if (const auto* route = std::get_if<Route>(&object)) std::erase(state_.routes, *route);
}

void FakeKernel::add_foreign_device(const std::string& name, std::string_view address) {
  Foreign& device = foreign_[name];
  if (!address.empty()) device.networks.push_back(IpPrefix::parse(address).value());
}

void FakeKernel::rename_device(const std::string& name, const std::string& to) {
  auto device = foreign_.extract(name);
  device.key() = to;
  foreign_.insert(std::move(device));
  for (Route& route : state_.routes) {
    if (route.link == name) route.link = to;
  }
  for (Link& link : state_.links) {
    LowerDevice* lower = lower_of(link.kind);
    if (lower != nullptr && lower->name == name) lower->name = to;
  }
}

void FakeKernel::open_tun(const std::string& name, std::uint32_t mtu) {
  if (find(name)) return;  // a run before has left it
  state_.links.push_back({.name = name, .kind = TunSettings{}, .mtu = mtu, .up = false});
}

void FakeKernel::set_up(const std::string& name, bool up) {
  if (const auto at = foreign_.find(name); at != foreign_.end()) at->second.up = up;
  if (Link* link = find(name)) link->up = up;
  if (!up) drop_for_down(name);
}

void FakeKernel::delete_device(const std::string& name) {
  foreign_.erase(name);
  drop_all_on(name);
  std::erase_if(state_.links, [&name](const Link& link) { return link.name == name; });
}

void FakeKernel::erase(std::string_view line) {
  for (const KernelObject& object : objects_of(state_)) {
    if (to_string(object).starts_with(line)) remove(object);
  }
}

std::vector<LeftDevice> FakeKernel::left_devices(std::span<const IpPrefix> networks) const {
  std::vector<LeftDevice> left;
  for (const Link& link : state_.links) {
    const bool is_of_network = std::ranges::any_of(state_.addresses, [&](const Address& address) {
      const auto has = [&](const IpPrefix& network) { return network.contains(address.ip); };
      return address.link == link.name && std::ranges::any_of(networks, has);
    });
    if (is_of_network || !std::holds_alternative<TunSettings>(link.kind)) {
      left.push_back({link, is_of_network});
    }
  }
  return left;
}

void FakeKernel::drop_for_down(const std::string& name) {
  std::erase_if(state_.neighbours, [&name](const Neighbour& n) { return n.link == name; });
  std::erase_if(state_.routes, [&name](const Route& route) { return route.link == name; });
  // IPv6 drops its addresses too (keep_addr_on_down is 0).
  std::erase_if(state_.addresses, [&name](const Address& address) {
    return address.link == name && address.ip.is_v6();
  });
}

void FakeKernel::drop_all_on(const std::string& name) {
  drop_for_down(name);
  std::erase_if(state_.addresses, [&name](const Address& address) { return address.link == name; });
  std::erase_if(state_.fdb, [&name](const FdbEntry& entry) { return entry.link == name; });
  std::erase_if(state_.wireguard, [&name](const auto& peer) { return peer->link == name; });
}

Link* FakeKernel::find(const std::string& name) {
  const auto at = std::find_if(state_.links.begin(), state_.links.end(),
                               [&name](const Link& link) { return link.name == name; });
  return at == state_.links.end() ? nullptr : &*at;
}

Result<void> FakeKernel::need_device(const std::string& name) {
  if (!find(name) && !foreign_.contains(name)) return no_device(name);
  return {};
}

Result<bool> FakeKernel::is_up(const std::string& name) {
  if (const Link* link = find(name)) return link->up;
  const auto at = foreign_.find(name);
  if (at == foreign_.end()) return no_device(name);
  return at->second.up;
}

bool FakeKernel::reaches(const std::string& device, IpAddress gateway) const {
  const auto at = foreign_.find(device);
  if (at != foreign_.end()) {
    return std::ranges::any_of(at->second.networks,
                               [&](const IpPrefix& network) { return network.contains(gateway); });
  }
  return std::any_of(state_.addresses.begin(), state_.addresses.end(), [&](const Address& address) {
    return address.link == device && IpPrefix::of(address.ip, address.bits).contains(gateway);
  });
}

}  // namespace flannel
