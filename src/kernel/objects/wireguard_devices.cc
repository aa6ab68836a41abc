// SPDX-License-Identifier: Apache-2.0
#include "kernel/objects/wireguard_devices.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "kernel/netlink/link_kind.h"

namespace flannel {
namespace {

// The kernel has the time of a handshake by the clock of the day, which may have been set since.
bool is_fresh(std::int64_t handshake) {
  using std::chrono::seconds, std::chrono::system_clock;
  const auto now =
      std::chrono::duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
  return handshake != 0 && std::abs(now - handshake) <= kWireguardStale.count();
}

const WireguardPeer& peer_of(const KernelChange& change) {
  return *std::get<Shared<WireguardPeer>>(change.object);
}

Result<int> index_of(Devices& devices, const std::string& name) {
  const LinkRow* row = TRY(devices.find(name));
  if (!row) return fail(ErrorKind::not_found, "there is no device " + name);
  if (!row->settings || !std::holds_alternative<WireguardSettings>(*row->settings)) {
    return fail(ErrorKind::conflict,
                fmt::format("{} is {} that is not ours", name, kind_in_words(*row)));
  }
  return row->index;
}

}  // namespace

// A module that was unloaded and loaded again has another number: the next call asks for it.
Result<WireguardSocket*> WireguardDevices::socket() {
  if (!socket_) socket_ = TRY(WireguardSocket::open());
  return &*socket_;
}

WireguardDevices::PeersByKey& WireguardDevices::known(const std::string& name, int index) {
  KnownDevice& device = known_[name];
  if (device.index != index) device = {.index = index, .peers = {}};
  return device.peers;
}

Result<void> WireguardDevices::read(const LinkRow& row, Link& link,
                                    std::vector<Shared<WireguardPeer>>& peers) {
  WireguardSocket* const socket = TRY(this->socket());
  auto found = socket->read(row.index);
  if (!found) {
    socket_.reset();
    return Failure(std::move(found).error());
  }
  link.kind = WireguardSettings{.key = found->key, .port = found->port, .mark = found->mark};
  PeersByKey now;
  PeersByKey& before = known(link.name, row.index);
  peers.reserve(peers.size() + found->peers.size());
  for (WireguardPeerRow& peer : found->peers) {
    const bool works = is_fresh(peer.last_handshake);
    std::optional<IpEndpoint> endpoint = works ? std::nullopt : peer.endpoint;
    if (const auto at = before.find(peer.key); works && at != before.end()) {
      endpoint = at->second.endpoint;
    }
    now.insert_or_assign(peer.key, Known{endpoint, peer.allowed});
    peers.emplace_back(WireguardPeer{.link = link.name,
                                     .key = peer.key,
                                     .preshared = peer.preshared,
                                     .endpoint = peer.endpoint.value_or(IpEndpoint{}),
                                     .keepalive = peer.keepalive,
                                     .allowed = std::move(peer.allowed),
                                     .endpoint_works = works});
  }
  before = std::move(now);
  return {};
}

Result<void> WireguardDevices::set_up(const LinkRow& row, const WireguardSettings& settings) {
  WireguardSocket* const socket = TRY(this->socket());
  const auto have = socket->read(row.index);
  if (!have) {
    socket_.reset();  // the module may have been loaded anew, with another family number
    return Failure(have.error());
  }
  auto outcome = put(*socket, *have, settings);
  const bool is_taken = !outcome && outcome.error().kind == ErrorKind::exists;
  if (is_taken && free_port(*socket, settings.port, row.index)) {
    outcome = put(*socket, *have, settings);
  }
  if (outcome || outcome.error().kind != ErrorKind::exists) return outcome;
  return fail(ErrorKind::exists, wireguard_port_in_use(settings.port));
}

Result<void> WireguardDevices::put(WireguardSocket& socket, const WireguardRow& have,
                                   const WireguardSettings& want) {
  NetlinkBatch batch;
  if (!put_wireguard(batch, socket.family(), have, want)) return {};
  for (auto& outcome : socket.transact(batch)) {
    if (!outcome) return std::move(outcome);
  }
  return {};
}

// Takes the port from another device that was read; false: none has it.
bool WireguardDevices::free_port(WireguardSocket& socket, std::uint16_t port, int but) {
  for (const auto& [name, device] : known_) {
    if (device.index == but) continue;
    const auto have = socket.read(device.index);
    if (!have || have->port != port) continue;
    WireguardSettings any{.key = have->key, .port = 0, .mark = have->mark};
    return put(socket, *have, any).has_value();
  }
  return false;
}

void WireguardDevices::change_peers(Devices& devices, std::span<const KernelChange> changes,
                                    std::span<Result<void>> results) {
  auto socket = this->socket();
  NetlinkBatch greetings, batch;
  std::vector<std::pair<std::size_t, int>> asked;  // a change, and the index of its device
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const WireguardPeer& peer = peer_of(changes[i]);
    const bool removes = changes[i].op == Op::remove;
    const auto index = index_of(devices, peer.link);
    // The peers of a removed device are gone too.
    if (!index && removes && index.error().kind == ErrorKind::not_found) continue;
    if (!index || !socket) {
      results[i] =
          Failure(Error(index ? socket.error() : index.error())
                      .during(fmt::format("{} {}", to_string(changes[i].op), to_string(peer))));
      continue;
    }
    if (removes) {
      delete_wireguard_peer(batch, (*socket)->family(), *index, peer.key);
    } else {
      greet(greetings, *index, peer);
      put(batch, *index, peer);
    }
    asked.emplace_back(i, *index);
  }
  if (asked.empty()) return;
  if (!greetings.empty()) (*socket)->transact(greetings);  // the puts that follow report failures
  auto outcomes = (*socket)->transact(batch);
  for (std::size_t request = 0; request < asked.size(); ++request) {
    const auto& [i, index] = asked[request];
    const KernelChange& change = changes[i];
    note(change, index, outcomes[request]);
    if (outcomes[request]) continue;
    results[i] =
        Failure(std::move(outcomes[request].error())
                    .during(fmt::format("{} {}", to_string(change.op), to_string(change.object))));
  }
}

// Has the kernel begin a handshake with a new peer at once, as it does when keepalives are switched
// on. The first of two hosts that learn of each other begins one in vain, since the other does not
// know it, and WireGuard tries again after 5 s only; then the second one's completes it.
void WireguardDevices::greet(NetlinkBatch& batch, int index, const WireguardPeer& peer) {
  if (known(peer.link, index).contains(peer.key)) return;
  WireguardPeer greeted = peer;
  greeted.keepalive = 1;
  put_wireguard_peer(batch, socket_->family(), index, greeted, {});
}

// The kernel empties the prefixes of a peer before it sets others, and drops packets in between.
void WireguardDevices::put(NetlinkBatch& batch, int index, const WireguardPeer& peer) {
  WireguardPeerWrite write;
  const PeersByKey& there = known(peer.link, index);
  if (const auto at = there.find(peer.key); at != there.end()) {
    write.endpoint = at->second.endpoint != peer.endpoint;
    write.replaces_allowed = std::ranges::any_of(at->second.allowed, [&](const IpPrefix& prefix) {
      return std::ranges::find(peer.allowed, prefix) == peer.allowed.end();
    });
  }
  put_wireguard_peer(batch, socket_->family(), index, peer, write);
}

void WireguardDevices::note(const KernelChange& change, int index, const Result<void>& outcome) {
  const WireguardPeer& peer = peer_of(change);
  PeersByKey& there = known(peer.link, index);
  if (outcome && change.op != Op::remove) {
    there.insert_or_assign(peer.key, Known{peer.endpoint, peer.allowed});
  } else {
    there.erase(peer.key);
  }
}

}  // namespace flannel
