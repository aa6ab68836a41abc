// SPDX-License-Identifier: Apache-2.0
// The part of Network that connects its parts.
#include "daemon/network.h"

namespace flannel {

Dataplanes::Parts Network::planes_parts() {
  return {.loop = parts_.loop,
          .host = parts_.host,
          .on_path =
              [this] {
                suspect_kernel();  // a recreated device has neither address nor MTU
                parts_.on_state();
              },
          .on_commands = [this] { on_commands(); },
          .on_change =
              [this] {
                overlay_.planes_changed();
                if (leaves_) parts_.on_state();
              }};
}

PeerFeed::Parts Network::feed_parts() {
  return {.loop = parts_.loop,
          .follower = parts_.follower,
          .host = identity(),
          .on_peers = [this](const std::vector<PeerChange>& changes) { follow(changes); },
          .on_state = [this] { parts_.on_state(); }};
}

Overlay::Parts Network::overlay_parts(const HostView& view) {
  return {
      .loop = parts_.loop,
      .kernel = parts_.kernel,
      .planes = planes_,
      .lookup_route = view.lookup_route,
      .on_state = [this] { update_readiness(); },
      .on_scope = [this] { watch_kernel(); },
      .on_ingress =
          [this] {
            if (parts_.rules) parts_.rules->admit(overlay_.ingress());
          },
      .on_ways = [this] { prober_.all_changed(); },
      .on_ways_to = [this](const std::vector<SubnetKey>& peers) { prober_.peers_changed(peers); },
      .blackhole_own_subnet = options_.ip_blackhole_route,
      .software_checksums = options_.software_checksums};
}

bool Network::has_lease() const {
  return own_ && !withdrawn_ && keeper().lease();
}

KeyRotation::Parts Network::rotation_parts() {
  return {.loop = parts_.loop,
          .host = parts_.host,
          .use = [this](const WireguardIdentity& keys) { return use_keys(keys); },
          .announce = [this] { lease_->reconfigure(config_); },
          .on_state = [this] { parts_.on_state(); }};
}

// Peers send nothing to a host without a lease, not even answers.
Prober::Parts Network::prober_parts() {
  return {
      .loop = parts_.loop,
      .host = parts_.host,
      .is_on = options_.probe_peers,
      .targets =
          [this] { return has_lease() ? overlay_.probe_targets() : std::vector<ProbeTarget>(); },
      .targets_of =
          [this](const SubnetKey& peer) {
            return has_lease() ? overlay_.probe_targets(peer) : std::vector<ProbeTarget>();
          },
      .devices =
          [this] { return has_lease() ? overlay_.probe_devices() : std::vector<ProbeDevice>(); },
      .on_state = [this] { parts_.on_state(); }};
}

UnderlayCheck::Parts Network::underlay_parts() {
  return {.loop = parts_.loop,
          .host = parts_.host,
          .request = request_for(config_, options_.underlay),
          .used = underlay(),
          .use = [this](const Underlay& underlay) { return use(underlay); },
          .on_checked =
              [this] {
                overlay_.routes_changed();
                network_check_.check();
              },
          .on_state = [this] { parts_.on_state(); }};
}

HostCheck::Parts Network::host_parts() {
  return {.loop = parts_.loop,
          .host = parts_.host,
          .queries =
              [this] {
                if (!own_) return std::vector<HostQuery>();
                // The kernel does not notify of every route by which a peer is on the link.
                if (!overlay_.unreachable().empty()) overlay_.routes_changed();
                return overlay_.host_queries();
              },
          .overlay = [this](Family family) { return overlay_.view(family); },
          .on_state = [this] { parts_.on_state(); }};
}

NetworkCheck::Parts Network::network_parts() {
  return {.loop = parts_.loop,
          .host = parts_.host,
          .used = [this] { return underlay(); },
          .networks = config_.networks(),
          .devices = [this] { return planes_.device_names(); },
          .on_change =
              [this] {
                overlay_.set_surroundings(network_check_.surroundings());
                parts_.on_state();
              }};
}

}  // namespace flannel
