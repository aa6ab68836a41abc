// SPDX-License-Identifier: Apache-2.0
#include "daemon/network.h"

#include <algorithm>
#include <utility>

#include "backend/wireguard.h"
#include "base/log.h"
#include "core/announced_backend.h"

namespace flannel {
namespace {

void log_networks(const NetworkConfig& config) {
  for (const Family family : kFamilies) {
    const auto& range = config.at(family);
    if (!range) continue;
    log::info("Found network config", {{"network", to_string(range->network)},
                                       {"subnets", range->count()},
                                       {"backend", config.backend_type}});
  }
}

// The networks of an earlier run that this kernel can carry.
std::vector<IpPrefix> networks_before(const std::string& subnet_file, const HostView& view) {
  auto networks = read_previous_networks(subnet_file);
  std::erase_if(networks, [&view](const IpPrefix& network) {
    return network.family() == Family::v6 && !view.has_ipv6;
  });
  return networks;
}

std::optional<IpPrefix> network_in(const std::optional<SubnetRange>& range) {
  return range ? std::optional(range->network) : std::nullopt;
}

}  // namespace

Network::Network(AgentOptions options, Parts parts, const NetworkConfig& config,
                 const HostView& view, const Underlay& underlay)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      config_(config),
      has_ipv6_(view.has_ipv6),
      subnet_file_({.loop = parts_.loop,
                    .path = options_.subnet_file,
                    .on_retry = [this] { update_readiness(); }}),
      previous_(read_previous_subnet(options_.subnet_file)),
      previous_networks_(networks_before(options_.subnet_file, view)),
      planes_(planes_parts(), HostFacts{.underlay = underlay,
                                        .node_id = options_.node.id,
                                        .packet_path = options_.packet_path}),
      feed_(feed_parts(),
            KnownPeers(LeaseTable(config.networks(), identity()), identity(), parts_.random)),
      prober_(prober_parts()),
      overlay_(overlay_parts(view), carried().networks(), previous_networks_),
      underlay_check_(underlay_parts()),
      host_check_(host_parts()),
      network_check_(network_parts()),
      rotation_(rotation_parts()),
      rename_(parts_.loop, [this] { compare_with_older_leases(); }) {}

Result<std::unique_ptr<Network>> Network::open(AgentOptions options, Parts parts,
                                               const ParsedConfig& parsed) {
  for (const std::string& warning : parsed.warnings)
    log::warning("the network configuration has a flaw", {{"what", warning}});
  log_networks(parsed.config);
  const HostView view = TRY_DURING(parts.host.view(), "look at the host's interfaces");
  const Underlay underlay = TRY(choose(parsed.config, options.underlay, view));
  std::unique_ptr<Network> network(
      new Network(std::move(options), std::move(parts), parsed.config, view, underlay));
  TRY(network->open_plane());
  return network;
}

Result<void> Network::open_plane() {
  auto made = TRY(make_ours(config_, underlay()));
  TRY(lock(config_.networks()));
  planes_.know_left(parts_.host.left_devices(config_.networks()));
  TRY(planes_.adopt(config_, underlay(), std::move(made)));
  announced_ = {config_, underlay()};
  network_check_.check();
  return {};
}

void Network::start(const Snapshot& snapshot, bool drained) {
  const std::optional<Lease> former = begin(snapshot);
  name_unused_reservations(snapshot);
  if (drained) return begin_drained(snapshot);
  if (former) program(*former);
  lease_->start(snapshot);
}

void Network::resume(const Snapshot& snapshot, const Lease& lease, const KeptLease& kept) {
  begin(snapshot);
  lease_->resume(lease, kept);
}

// Returns the lease by which peers reach this host, if its dataplane is another one now.
std::optional<Lease> Network::begin(const Snapshot& snapshot) {
  feed_.on_snapshot(snapshot);
  leave_name_to_older_host();
  const std::optional<Lease> former = adopt_former();
  lease_ = std::make_unique<LeaseRunner>(
      make_keeper(), parts_.store, parts_.follower, parts_.loop,
      LeaseRunner::Listener{.on_active = [this](const Lease& lease) { on_lease_active(lease); },
                            .on_state =
                                [this] {
                                  prober_.all_changed();
                                  parts_.on_state();
                                }});
  return former;
}

// Without the families that this kernel lacks.
NetworkConfig Network::carried() const {
  NetworkConfig config = config_;
  if (!has_ipv6_) config.v6.reset();
  return config;
}

void Network::on_snapshot(const Snapshot& snapshot) {
  const auto changes = feed_.on_snapshot(snapshot);
  lease_->on_snapshot(snapshot);
  follow(changes);
}

void Network::on_changes(const std::vector<Change>& changes) {
  const auto peers = feed_.on_changes(changes);
  for (const Change& change : changes) {
    const bool of_record =
        !std::holds_alternative<ConfigPut>(change) && !std::holds_alternative<ConfigGone>(change);
    if (of_record) lease_->on_change(change);
  }
  follow(peers);
}

void Network::follow(const std::vector<PeerChange>& changes) {
  compare_with_older_leases();
  if (own_ && !changes.empty()) overlay_.apply(changes);
  leave_key_to_older_host();
}

std::vector<IpPrefix> Network::ranges() const {
  std::vector<IpPrefix> all = config_.networks();
  for (const IpPrefix& network : former_networks_) {
    if (std::ranges::find(all, network) == all.end()) all.push_back(network);
  }
  return all;
}

void Network::suspect_kernel() {
  if (!own_) return;
  overlay_.suspect();
  network_check_.suspect();
}

void Network::check_host() {
  if (own_) host_check_.check();
}

void Network::suspect_host() {
  if (own_) host_check_.suspect();
}

void Network::rules_changed() {
  if (own_ || leaves_) update_readiness();
}

LeaseAttributes Network::announce(const Lease* previous) const {
  const Dataplane& ours = planes_.ours();
  if (renamed_at_) return ours.backend->announce(ours.host, nullptr);
  if (!ours.former) return ours.backend->announce(ours.host, previous);
  // Peers know its MAC.
  const Lease former{.subnet = {}, .attributes = *ours.former};
  return ours.backend->announce(ours.host, &former);
}

LeaseKeeper Network::make_keeper() const {
  KeeperOptions options = options_.keeper;
  options.node = options_.node;
  for (const AddressInUse& used : network_check_.surroundings().in_use)
    options.keep_clear_of.push_back(used.ip);
  options.address_is_ours =
      std::ranges::none_of(values_of(underlay()), &UnderlayAddress::is_behind_nat);
  return LeaseKeeper(
      options, config_, public_ips_of(underlay()),
      [this](const Lease* previous) { return announce(previous); }, previous_, parts_.random);
}

LeaseKeeper Network::make_keeper_elsewhere(const Lease& lease,
                                           LeaseKeeper::Announce announce) const {
  KeeperOptions options = options_.keeper;
  options.node = options_.node;
  options.only = lease.subnet;
  options.renumber = false;
  return LeaseKeeper(options, config_, lease.attributes.public_ips(), std::move(announce),
                     std::nullopt, parts_.random);
}

void Network::on_lease_active(const Lease& lease) {
  withdrawn_ = false;
  parts_.on_lease(lease);
  planes_.on_announced(lease.attributes);
  if (own_ && own_->subnet == lease.subnet) {
    own_ = lease;
    want_rules();
    overlay_.set_own(lease);
  } else {
    // This is the first lease, or one with another subnet, whose old subnet may now be a peer's.
    program(lease);
  }
  leave_name_soon();
  update_readiness();
  if (const auto key = announced_wireguard_key(lease.attributes)) rotation_.on_announced(*key);
  leave_key_to_older_host();
}

// The configuration may have changed while this host was down. Then peers reach it by what its
// lease announces still, and as soon as the lease is written, by the new dataplane: so both are
// there first. Returns that lease.
std::optional<Lease> Network::adopt_former() {
  const HostIdentity us = identity();
  std::optional<Lease> former;
  for (const auto& [subnet, listed] : table().leases()) {
    if (us.ownership(listed.lease) != Ownership::node) continue;
    if (reaches(planes_.ours().announced, backend_of(listed.lease->attributes))) continue;
    former = *listed.lease;
    planes_.adopt_former(former->attributes);
    break;
  }
  planes_.adopt_left();
  return former;
}

void Network::program(const Lease& lease) {
  own_ = lease;
  want_rules();
  overlay_.start(lease, peers().leases());
  watch_kernel();
  host_check_.check();
}

// Our kernel objects are others.
void Network::watch_kernel() {
  if (own_) parts_.on_programmed(overlay_.scope(), underlay());
}

void Network::want_rules() {
  if (parts_.rules && own_) parts_.rules->want(carried(), own_->subnet, previous_networks_);
}

// Called after every change of the kernel state: updates ready() and writes subnet.env.
void Network::update_readiness() {
  if (leaves_ || !keeper().lease()) return parts_.on_state();
  if (overlay_.host_in_place()) {
    announce_changes();
    if (parts_.rules && !parts_.rules->in_place()) return parts_.on_state();
    write_subnet_file();
    if (!ready_ && !withdrawn_ && subnet_file_.is_in_order()) {
      ready_ = true;
      parts_.on_ready();
    }
  }
  parts_.on_state();
}

void Network::on_commands() {
  if (lease_) {
    if (!own_) announce_changes();
    update_readiness();
  } else if (is_prepared()) {
    parts_.on_prepared();
  } else {
    parts_.on_state();
  }
}

void Network::write_subnet_file() {
  subnet_file_.write(env_of(keeper().lease()->subnet));
}

SubnetEnv Network::env_of(const SubnetKey& subnet) const {
  const Dataplane& ours = planes_.ours();
  return {.network = network_in(config_.v4),
          .subnet = subnet.v4,
          .network6 = network_in(config_.v6),
          .subnet6 = subnet.v6,
          .mtu = ours.backend->overlay_mtu(ours.host),
          .ip_masq = options_.ip_masq};
}

std::optional<SubnetEnv> Network::subnet_env() const {
  if (!ready_ || withdrawn_ || !keeper().lease()) return std::nullopt;
  return env_of(keeper().lease()->subnet);
}

}  // namespace flannel
