// SPDX-License-Identifier: Apache-2.0
// The part of Agent that makes the checks of a session: of peers, underlay, host and network.
#include <utility>

#include "daemon/agent.h"

namespace flannel {

std::unique_ptr<PeerFeed> Agent::make_feed() {
  const HostIdentity us = identity();
  return std::make_unique<PeerFeed>(
      PeerFeed::Parts{
          .loop = parts_.loop,
          .follower = follower_,
          .host = us,
          .on_peers = [this](const std::vector<PeerChange>& changes) { follow(changes); },
          .on_state = [this] { parts_.on_state(); }},
      KnownPeers(LeaseTable(session_->config.networks(), us), us, parts_.random));
}

std::unique_ptr<UnderlayCheck> Agent::make_underlay_check() {
  return std::make_unique<UnderlayCheck>(
      UnderlayCheck::Parts{.loop = parts_.loop,
                           .read_host = parts_.read_host,
                           .request = request_for(session_->config, options_.underlay),
                           .used = session_->underlay(),
                           .use = [this](const Underlay& underlay) { return use(underlay); },
                           .on_checked =
                               [this] {
                                 session_->overlay->routes_changed();
                                 session_->network_check->check();
                               },
                           .on_state = [this] { parts_.on_state(); }});
}

Result<void> Agent::use(const Underlay& underlay) {
  auto made = TRY(make_ours(session_->config, underlay));
  const bool other_addresses = public_ips_of(underlay) != public_ips_of(session_->underlay());
  TRY(session_->planes->adopt(session_->config, underlay, std::move(made)));
  if (other_addresses) {
    session_->feed->set_host(identity());
    follower_.list_again();
  }
  session_->overlay->planes_changed();
  watch_kernel();
  update_readiness();
  return {};
}

std::unique_ptr<HostCheck> Agent::make_host_check() {
  return std::make_unique<HostCheck>(
      HostCheck::Parts{.loop = parts_.loop,
                       .queries =
                           [this] {
                             // The kernel does not notify of every route by which a peer is on the
                             // link.
                             if (!session_->overlay->unreachable().empty()) {
                               session_->overlay->routes_changed();
                             }
                             return session_->overlay->host_queries();
                           },
                       .read_state = parts_.read_traffic_state,
                       .overlay = [this](Family family) { return session_->overlay->view(family); },
                       .on_state = [this] { parts_.on_state(); }});
}

std::unique_ptr<NetworkCheck> Agent::make_network_check(Session& session) {
  return std::make_unique<NetworkCheck>(NetworkCheck::Parts{
      .loop = parts_.loop,
      .read_host = parts_.read_host,
      .endpoints = parts_.store_addresses,
      .used = [&session] { return session.underlay(); },
      .networks = session.config.networks(),
      .devices = [&session] { return session.planes->device_names(); },
      .on_change =
          [this] {
            session_->overlay->set_surroundings(session_->network_check->surroundings());
            parts_.on_state();
          }});
}

StoreMove::Parts Agent::move_parts() {
  return {.loop = parts_.loop,
          .store = store_,
          .random = parts_.random,
          .open = parts_.open_store,
          .make_keeper =
              [this](const Lease& lease, LeaseKeeper::Announce announce) {
                return make_keeper_elsewhere(lease, std::move(announce));
              },
          .on_switched =
              [this](bool has_lease) {
                if (session_ && session_->lease) session_->lease->on_other_store(has_lease);
                follower_.list_again();
              },
          .on_state = [this] { parts_.on_state(); }};
}

LeaseKeeper Agent::make_keeper_elsewhere(const Lease& lease, LeaseKeeper::Announce announce) const {
  KeeperOptions options = options_.keeper;
  options.node = options_.node;
  options.only = lease.subnet;
  options.renumber = false;
  return LeaseKeeper(options, session_->config, lease.attributes.public_ips(), std::move(announce),
                     std::nullopt, parts_.random);
}

}  // namespace flannel
