// SPDX-License-Identifier: Apache-2.0
// The part of Agent that follows changes of the network's configuration.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "daemon/agent.h"
#include "daemon/whole_config.h"

namespace flannel {
namespace {

// Until a configuration that this host could not adopt is tried again.
constexpr auto kAdoptRetry = std::chrono::seconds(10);

// So many networks of earlier configurations are remembered.
constexpr std::size_t kMostFormer = 8;

bool has_same_families(const NetworkConfig& one, const NetworkConfig& other) {
  return one.v4.has_value() == other.v4.has_value() && one.v6.has_value() == other.v6.has_value();
}

}  // namespace

// A configuration that is invalid, or that this host cannot adopt, leaves the running one in force.
void Agent::follow_config(const std::optional<ConfigRecord>& record) {
  config_record_ = record;
  retry_config_.cancel();
  if (!record) {
    set_config_trouble("it is gone from the store; the running one stays in force");
    return;
  }
  const auto parsed = parse_whole_config(record->text);
  if (!parsed) {
    set_config_trouble(parsed.error().text + "; the running one stays in force");
    return;
  }
  if (parsed->config == session_->config) return set_config_trouble({});
  if (const auto adopted = adopt(*parsed); !adopted) {
    retry_config_.arm_after(kAdoptRetry);
    set_config_trouble(adopted.error().text + "; the running one stays in force");
    return;
  }
  set_config_trouble({});
}

// The order matters: the devices of the new configuration are in place before our lease announces
// them, and what peers may still send to stays (Dataplanes).
Result<void> Agent::adopt(const ParsedConfig& parsed) {
  const NetworkConfig& config = parsed.config;
  HostView host_view = TRY_DURING(parts_.read_host(), "look at the host's interfaces");
  const Underlay underlay = has_same_families(config, session_->config)
                                ? session_->underlay()
                                : TRY(choose(config, host_view));
  auto made = TRY(make_ours(config, underlay));
  const bool same_networks = config.networks() == session_->config.networks();
  if (!same_networks) TRY(lock_networks(*session_, config));
  TRY(session_->planes->adopt(config, underlay, std::move(made)));
  session_->host_view = std::move(host_view);
  const std::vector<IpPrefix> former = session_->carried.networks();
  log::info("the network configuration has changed; this host follows",
            {{"backend", to_string(session_->planes->ours().announced)},
             {"was", session_->config.backend_type}});
  session_->config = session_->carried = config;
  if (!session_->host_view.has_ipv6) session_->carried.v6.reset();
  if (!same_networks) {
    session_->feed->set_host(identity());  // with other families it has other addresses
    keep_former_networks(former);
  }
  session_->overlay->set_networks(session_->carried.networks(), session_->former_networks);
  session_->network_check = make_network_check(*session_);
  session_->underlay_check = make_underlay_check();
  if (parts_.rules && session_->overlay_started) {
    parts_.rules->want(session_->carried, session_->own.subnet, session_->previous_networks);
  }
  session_->network_check->check();
  if (session_->overlay_started) {
    session_->host_check->check();
    update_readiness();
  } else {
    announce_config();
  }
  return {};
}

// Hosts whose subnets are in a network of before keep them until their operators move them.
void Agent::keep_former_networks(const std::vector<IpPrefix>& former) {
  const auto keep = [](std::vector<IpPrefix>& all, const IpPrefix& network) {
    if (std::ranges::find(all, network) == all.end()) all.push_back(network);
    if (all.size() > kMostFormer) all.erase(all.begin());
  };
  for (const IpPrefix& network : former) {
    keep(session_->former_networks, network);
    keep(session_->previous_networks, network);
  }
  std::vector<IpPrefix> accepted = session_->config.networks();
  for (const IpPrefix& network : session_->former_networks) {
    if (session_->config.at(network.family())) keep(accepted, network);
  }
  session_->feed->set_networks(std::move(accepted));
  follower_.list_again();
}

// Peers send to what our lease announces, so that must be in place.
void Agent::announce_config() {
  const bool same_underlay = session_->leased_underlay == session_->underlay();
  if (session_->leased == session_->config && same_underlay) return;
  session_->leased = session_->config;
  session_->leased_underlay = session_->underlay();
  session_->lease->reconfigure(session_->config);
}

// Two daemons with one network would undo the changes of each other for ever. The locks of our
// present networks may overlap the new ones, so they are given up first.
Result<void> Agent::lock_networks(Session& session, const NetworkConfig& config) {
  session.locks.clear();
  for (const IpPrefix& network : config.networks()) {
    auto lock = parts_.acquire_lock(to_string(network));
    if (lock) {
      session.locks.push_back(*std::move(lock));
      continue;
    }
    session.locks.clear();
    for (const IpPrefix& present : session.config.networks()) {
      if (auto again = parts_.acquire_lock(to_string(present))) {
        session.locks.push_back(*std::move(again));
      }
    }
    return tl::unexpected(std::move(lock).error());
  }
  return {};
}

void Agent::set_config_trouble(std::string text) {
  if (text == config_trouble_) return;
  config_trouble_ = std::move(text);
  if (config_trouble_.empty()) {
    log::info("the network configuration is valid again");
  } else {
    log::warning("the network configuration is not used", {{"why", config_trouble_}});
  }
  parts_.on_state();
}

}  // namespace flannel
