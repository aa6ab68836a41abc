// SPDX-License-Identifier: Apache-2.0
#include "daemon/membership.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/random.h"
#include "daemon/own_health_row.h"
#include "daemon/software_checksums_file.h"
#include "filter/host_packet_filter.h"
#include "registry/options_at.h"
#include "registry/store_keys.h"

namespace flannel {
namespace {

AgentOptions agent_options(const Options& options, const NodeTag& node,
                           const std::string& powerless) {
  return {.underlay = options.underlay,
          .keeper = options.keeper,
          .node = node,
          .subnet_file = options.subnet_file,
          .ip_masq = options.firewall.rules.masquerade,
          .ip_blackhole_route = options.ip_blackhole_route,
          .probe_peers = options.probe_peers,
          .offline_start = options.offline_start,
          .leaves_deleted = options.follows_store,
          .software_checksums = has_software_checksums_file(options.state_dir),
          .packet_path = options.packet_path,
          .powerless = powerless};
}

// The node id in the lease of these subnets; nullopt: there is none.
std::optional<NodeId> lease_holder(const Agent& agent, const SubnetKey& subnet) {
  if (agent.network() == nullptr) return std::nullopt;
  const Lease* lease = agent.network()->peers().find(subnet);
  if (lease == nullptr || !lease->attributes.node) return std::nullopt;
  return lease->attributes.node->id;
}

}  // namespace

Membership::Membership(const Options& options, std::string network, Edges edges,
                       const ProcessIdentity& process, Events events, Opened opened)
    : network_(std::move(network)),
      loop_(std::move(opened.loop)),
      events_(std::move(events)),
      store_(options.store),
      registry_(std::move(opened.registry)),
      host_({*loop_, edges.locks, edges.notifier, edges.kept}, options.store,
            {.node_id = process.node_id_file,
             .keys = wireguard_key_places(options.wireguard_key_file, options.state_dir, network_),
             .kept_state = kept_state_path(options.state_dir, options.store.prefix),
             .folder = options.state_dir},
            process.node.boot, network_),
      kernel_(edges.kernel),
      agent_(agent_options(options, process.node, process.powerless),
             agent_parts(process.powerless.empty())),
      firewall_(options.firewall, firewall_parts(edges.iptables)) {
  follow_docker(options.docker);
  if (options.publish_health) publish_health();
}

Result<std::unique_ptr<Membership>> Membership::open(const Options& options,
                                                     const std::string& network, Edges edges,
                                                     const ProcessIdentity& process,
                                                     Events events) {
  const log::AboutNetwork about(network);
  Opened opened{std::make_unique<NetworkLoop>(edges.loop, network), nullptr};
  opened.registry = TRY(open_registry(options.store, *opened.loop));
  std::unique_ptr<Membership> member(
      new Membership(options, network, edges, process, std::move(events), std::move(opened)));
  member->monitor_ = TRY(Monitor::open(*member->loop_, edges.kernel, member->monitor_events()));
  return member;
}

void Membership::start(const std::optional<DrainNote>& note) {
  const log::AboutNetwork about(network_);
  if (note) agent_.follow_drain(note);
  agent_.start();
}

void Membership::take(const Options& options) {
  const log::AboutNetwork about(network_);
  firewall_.set_rules(options.firewall.rules);
  agent_.reconfigure(agent_options(options, {}, {}));
}

void Membership::set_software_checksums(bool on) {
  const log::AboutNetwork about(network_);
  agent_.set_software_checksums(on);
}

void Membership::separate(const std::vector<IpPrefix>& strangers) {
  const log::AboutNetwork about(network_);
  firewall_.separate(strangers);
}

void Membership::follow_drain(const std::optional<DrainNote>& note) {
  const log::AboutNetwork about(network_);
  agent_.follow_drain(note);
}

void Membership::refresh() {
  const log::AboutNetwork about(network_);
  agent_.refresh();
  on_state();
}

void Membership::end(std::function<void()> done) {
  const log::AboutNetwork about(network_);
  agent_.end(std::move(done));
}

void Membership::set_gone(bool gone) {
  if (std::exchange(is_gone_, gone) == gone) return;
  const log::AboutNetwork about(network_);
  on_state();
}

void Membership::withdraw(bool leaves) {
  const log::AboutNetwork about(network_);
  agent_.withdraw(leaves);
}

bool Membership::is_withdrawn() const {
  return agent_.is_withdrawn() && (!health_rows_ || health_rows_->is_withdrawn());
}

void Membership::leave() {
  const log::AboutNetwork about(network_);
  if (Network* network = agent_.network()) network->leave();
  host_.close_kept_path();
}

bool Membership::has_left() const {
  return agent_.network() == nullptr || agent_.network()->has_left();
}

std::optional<std::string> Membership::used_by() const {
  return agent_.network() == nullptr ? std::nullopt : agent_.network()->used_by();
}

Agent::Parts Membership::agent_parts(bool has_rules) {
  return {.loop = *loop_,
          .kernel = kernel_,
          .host = host_,
          .registry = *registry_,
          .random = make_random(),
          .rules = has_rules ? &firewall_ : nullptr,
          .other_problems = [this] { return other_problems(); },
          .on_programmed = [this](const Scope& scope,
                                  const Underlay& underlay) { watch_kernel(scope, underlay); },
          .on_ready =
              [this] {
                if (agent_.network()->planes().packet_path() == nullptr) host_.close_kept_path();
                events_.on_ready();
              },
          .on_fatal = [this](Error error) { events_.on_fatal(std::move(error)); },
          .on_state = [this] { on_state(); }};
}

Firewall::Parts Membership::firewall_parts(IptablesQueue& iptables) {
  return {.filter =
              [this](Family family) { return std::make_unique<HostPacketFilter>(*loop_, family); },
          .changes =
              [this](Family family) { return std::make_unique<HostRuleChanges>(*loop_, family); },
          .loop = *loop_,
          .iptables = iptables,
          .on_state = [this] { agent_.rules_changed(); }};
}

Monitor::Events Membership::monitor_events() {
  return {.on_foreign_change =
              [this](const std::string& what) {
                log::verbose(1, "others changed the kernel", {{"what", what}});
                agent_.suspect_kernel();
              },
          .on_lost =
              [this] {
                agent_.suspect_kernel();
                agent_.suspect_host();
              },
          .on_underlay_change =
              [this] {
                agent_.check_underlay();
                // The kernel drops routes with the interface.
                agent_.suspect_kernel();
              },
          .on_host_change = [this] { agent_.suspect_host(); }};
}

void Membership::watch_kernel(const Scope& scope, const Underlay& underlay) {
  const auto watched = monitor_->watch(scope, {underlay.interface, underlay.interface_index});
  if (!watched) log::error("cannot watch the kernel", {{"why", watched.error().text}});
  // Finds changes between reading the host and starting to watch it.
  agent_.check_underlay();
}

void Membership::follow_docker(const DockerOptions& wish) {
  if (wish.network.empty()) return;
  docker_socket_ = std::make_unique<DockerSocket>(wish.socket, *loop_);
  docker_ = std::make_unique<DockerFollower>(
      wish.network,
      DockerFollower::Parts{
          .loop = *loop_, .engine = *docker_socket_, .on_state = [this] { events_.on_state(); }});
}

void Membership::publish_health() {
  health_rows_ = std::make_unique<HealthRows>(HealthRows::Parts{
      .loop = *loop_,
      .random = make_random(),
      .place = [this] { return agent_.store_address() ? to_string(*agent_.store_address()) : ""; },
      .open = [this] { return open_health_store(); },
      .own = [this]() -> std::optional<HealthRows::Own> {
        return agent_.network() == nullptr ? std::nullopt : own_health_row(*agent_.network());
      },
      .holder = [this](const SubnetKey& subnet) { return lease_holder(agent_, subnet); },
      .on_state = [this] { events_.on_state(); }});
}

// The rows are beside the keys of the network, so that no host gets them that does not ask.
Result<std::unique_ptr<Registry>> Membership::open_health_store() const {
  StoreOptions options = store_;
  if (const auto& moved = agent_.store_address()) options = TRY(options_at(*moved, options));
  options.prefix = clean_path(options.prefix) + std::string(kHealthSuffix);
  return open_registry(options, *loop_);
}

// Those that are not the agent's.
std::vector<Problem> Membership::other_problems() const {
  std::vector<Problem> all = events_.other_problems();
  if (docker_) std::ranges::move(docker_->problems(), std::back_inserter(all));
  if (health_rows_) std::ranges::move(health_rows_->problems(), std::back_inserter(all));
  return all;
}

void Membership::on_state() {
  if (docker_) {
    const Network* network = agent_.network();
    docker_->wish(network == nullptr || is_gone_ ? std::nullopt : network->subnet_env());
  }
  if (health_rows_) health_rows_->changed();
  events_.on_state();
}

}  // namespace flannel
