// SPDX-License-Identifier: Apache-2.0
// The part of Network that follows changes of its configuration, its options and the underlay.
#include <algorithm>
#include <utility>

#include "backend/alloc.h"
#include "base/log.h"
#include "daemon/network.h"

namespace flannel {
namespace {

// So many networks of earlier configurations are remembered.
constexpr std::size_t kMostFormer = 8;

bool has_same_families(const NetworkConfig& one, const NetworkConfig& other) {
  return one.v4.has_value() == other.v4.has_value() && one.v6.has_value() == other.v6.has_value();
}

void log_options(const MadeBackend& made) {
  for (const std::string& warning : made.warnings)
    log::warning("the backend options have a flaw", {{"what", warning}});
  if (!made.options.empty()) log::info(made.options);
}

}  // namespace

Result<Underlay> Network::choose(const NetworkConfig& config, const UnderlayRequest& request,
                                 const HostView& view) {
  auto choice = TRY(choose_underlay(request_for(config, request), view));
  for (const std::string& reason : choice.reasons)
    log::info(reason);
  return std::move(choice.underlay);
}

Result<Underlay> Network::underlay_for(const NetworkConfig& config, const UnderlayRequest& request,
                                       Host& host) {
  const HostView view = TRY_DURING(host.view(), "look at the host's interfaces");
  return TRY(choose_underlay(request_for(config, request), view)).underlay;
}

Result<MadeBackend> Network::make_ours(const NetworkConfig& config,
                                       const Underlay& underlay) const {
  auto made = TRY_DURING(make_backend(config, underlay), "network config: Backend");
  log_options(made);
  if (!options_.powerless.empty() && config.backend_type != AllocBackend::kType) {
    return fail(ErrorKind::denied, options_.powerless);
  }
  return made;
}

Result<void> Network::adopt(const ParsedConfig& parsed) {
  const NetworkConfig& config = parsed.config;
  if (config == config_) return {};
  if (leaves_) return fail(ErrorKind::unavailable, "this host is leaving the network");
  Underlay underlay = this->underlay();
  if (!has_same_families(config, config_)) {
    const HostView view = TRY_DURING(parts_.host.view(), "look at the host's interfaces");
    underlay = TRY(choose(config, options_.underlay, view));
  }
  auto made = TRY(make_ours(config, underlay));
  TRY(lock(config.networks()));
  if (auto adopted = planes_.adopt(config, underlay, std::move(made)); !adopted) {
    TRY(lock(config_.networks()));
    return adopted;
  }
  log::info("the network configuration has changed; this host follows",
            {{"backend", to_string(planes_.ours().announced)}, {"was", config_.backend_type}});
  follow_config(config);
  return {};
}

void Network::reconfigure(const AgentOptions& wanted) {
  options_.take_live(wanted);
  lease_->set_options(options_.keeper.renew_margin, options_.keeper.renumber);
  overlay_.set_blackhole_own_subnet(options_.ip_blackhole_route);
  underlay_check_.set_wish(request_for(config_, options_.underlay));
  if (own_) update_readiness();
}

void Network::set_software_checksums(bool on) {
  options_.software_checksums = on;
  overlay_.set_software_checksums(on);
}

// The order matters: the devices of the new configuration are in place before our lease announces
// them, and what peers may still send to stays (Dataplanes).
void Network::follow_config(const NetworkConfig& config) {
  const std::vector<IpPrefix> former = carried().networks();
  const bool same_networks = config.networks() == config_.networks();
  config_ = config;
  if (!same_networks) {
    feed_.set_host(identity());  // with other families it has other addresses
    keep_former_networks(former);
  }
  overlay_.set_networks(carried().networks(), former_networks_);
  underlay_check_.set_request(request_for(config_, options_.underlay), underlay());
  want_rules();
  network_check_.set_networks(config_.networks());
  if (own_) {
    host_check_.check();
    update_readiness();
  } else {
    announce_changes();
  }
}

// Hosts whose subnets are in a network of before keep them until their operators move them.
void Network::keep_former_networks(const std::vector<IpPrefix>& former) {
  const auto keep = [](std::vector<IpPrefix>& all, const IpPrefix& network) {
    if (std::ranges::find(all, network) == all.end()) all.push_back(network);
    if (all.size() > kMostFormer) all.erase(all.begin());
  };
  for (const IpPrefix& network : former) {
    keep(former_networks_, network);
    keep(previous_networks_, network);
  }
  std::vector<IpPrefix> accepted = config_.networks();
  for (const IpPrefix& network : former_networks_) {
    if (config_.at(network.family())) keep(accepted, network);
  }
  feed_.set_networks(std::move(accepted));
  parts_.follower.list_again();
}

// Peers send to what our lease announces, so that must be in place.
void Network::announce_changes() {
  const Announced present{config_, underlay()};
  if (announced_ == present || !is_prepared()) return;
  const auto& keys = planes_.ours().host.wireguard;
  if (keys && keys->key.is_zero()) return;  // KeyRotation gives it back in this turn
  announced_ = present;
  lease_->reconfigure(config_);
}

Result<void> Network::use(const Underlay& underlay) {
  if (leaves_) return {};
  auto made = TRY(make_ours(config_, underlay));
  const bool other_addresses = public_ips_of(underlay) != public_ips_of(this->underlay());
  TRY(planes_.adopt(config_, underlay, std::move(made)));
  if (other_addresses) {
    feed_.set_host(identity());
    parts_.follower.list_again();
  }
  overlay_.planes_changed();
  watch_kernel();
  update_readiness();
  suspect_host();
  return {};
}

// Two daemons with one network would undo the changes of each other for ever. The locks of our
// present networks may overlap the new ones, so they are given up first, and taken again if the new
// ones cannot be had.
Result<void> Network::lock(const std::vector<IpPrefix>& networks) {
  if (networks == locked_) return {};
  const std::vector<IpPrefix> former = std::exchange(locked_, {});
  locks_.clear();
  if (auto taken = take_locks(networks); !taken) {
    if (const auto again = take_locks(former); !again) {
      log::warning("a network of this daemon is not locked against another one",
                   {{"why", again.error().text}});
    }
    return taken;
  }
  return {};
}

Result<void> Network::take_locks(const std::vector<IpPrefix>& networks) {
  locks_.clear();
  for (const IpPrefix& network : networks)
    locks_.push_back(TRY(parts_.host.lock(to_string(network))));
  locked_ = networks;
  return {};
}

}  // namespace flannel
