// SPDX-License-Identifier: Apache-2.0
#include "daemon/node.h"

#include <malloc.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include "base/log.h"
#include "daemon/own_health_row.h"
#include "daemon/scrub.h"
#include "daemon/software_checksums_file.h"
#include "filter/host_packet_filter.h"
#include "registry/options_at.h"
#include "registry/store_keys.h"

namespace flannel {
namespace {

Random make_random() {
  auto engine = std::make_shared<std::mt19937_64>(std::random_device{}());
  return [engine](std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(*engine);
  };
}

// The node id in the lease of these subnets; nullopt: there is none.
std::optional<NodeId> lease_holder(const Agent& agent, const SubnetKey& subnet) {
  if (agent.network() == nullptr) return std::nullopt;
  const auto& leases = agent.network()->peers().leases();
  const auto listed = leases.find(subnet);
  if (listed == leases.end() || !listed->second.lease->attributes.node) return std::nullopt;
  return listed->second.lease->attributes.node->id;
}

}  // namespace

Node::Node(Edges edges, const NodeTag& node, const std::string& node_id_file,
           const std::string& powerless)
    : edges_(edges),
      host_({edges.loop, edges.locks, edges.notifier, edges.kept}, edges.options.store,
            node_id_file),
      publisher_(edges.loop, edges.board, edges.notifier),
      reload_(edges.options, {.read = [this] { return edges_.source.read(); },
                              .apply = [this](const Options& options) { take(options); }}),
      agent_(agent_options(edges.options, node, powerless), agent_parts(powerless.empty())),
      firewall_(edges.options.firewall, firewall_parts()),
      drained_(edges.loop, edges.options.state_dir,
               [this](const std::optional<DrainNote>& note) { follow_drain(note); }) {}

Result<void> Node::run() {
  follow_docker();
  publish_health();
  monitor_ = TRY(Monitor::open(edges_.loop, edges_.kernel, monitor_events()));
  if (drained_.note()) follow_drain(drained_.note());
  agent_.start();
  TRY(edges_.loop.run());
  if (fatal_) return tl::unexpected(*std::move(fatal_));
  return {};
}

void Node::refresh() {
  reload_.reload();
  agent_.refresh();
  on_state();
}

Result<void> Node::set_software_checksums(bool on) {
  TRY(keep_software_checksums(edges_.options.state_dir, on));
  log::info(on ? "the kernel fills in the checksums of packets from now on, as requested"
               : "checksums of packets are left to the network card again, as requested");
  agent_.set_software_checksums(on);
  return {};
}

// Applies what plan_reload() calls live.
void Node::take(const Options& options) {
  if (options.has_secrets()) protect_memory();
  log::set_verbosity(options.verbosity);
  firewall_.set_rules(options.firewall.rules);
  agent_.reconfigure(agent_options(options, {}, {}));
}

AgentOptions Node::agent_options(const Options& options, const NodeTag& node,
                                 const std::string& powerless) {
  return {.underlay = options.underlay,
          .keeper = options.keeper,
          .node = node,
          .subnet_file = options.subnet_file,
          .ip_masq = options.firewall.rules.masquerade,
          .ip_blackhole_route = options.ip_blackhole_route,
          .probe_peers = options.probe_peers,
          .software_checksums = has_software_checksums_file(options.state_dir),
          .packet_path = options.packet_path,
          .powerless = powerless};
}

Agent::Parts Node::agent_parts(bool has_rules) {
  return {.loop = edges_.loop,
          .kernel = edges_.kernel,
          .host = host_,
          .registry = edges_.registry,
          .random = make_random(),
          .rules = has_rules ? &firewall_ : nullptr,
          .other_problems = [this] { return own_problems(); },
          .on_programmed = [this](const Scope& scope,
                                  const Underlay& underlay) { watch_kernel(scope, underlay); },
          .on_ready = [this] { on_ready(); },
          .on_fatal =
              [this](Error error) {
                fatal_ = std::move(error);
                edges_.loop.stop();
              },
          .on_state = [this] { on_state(); }};
}

Firewall::Parts Node::firewall_parts() {
  return {
      .filter =
          [this](Family family) { return std::make_unique<HostPacketFilter>(edges_.loop, family); },
      .changes =
          [this](Family family) { return std::make_unique<HostRuleChanges>(edges_.loop, family); },
      .loop = edges_.loop,
      .on_state = [this] { agent_.rules_changed(); }};
}

Monitor::Events Node::monitor_events() {
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

void Node::watch_kernel(const Scope& scope, const Underlay& underlay) {
  const auto watched = monitor_->watch(scope, {underlay.interface, underlay.interface_index});
  if (!watched) log::error("cannot watch the kernel", {{"why", watched.error().text}});
  // Finds changes between reading the host and starting to watch it.
  agent_.check_underlay();
}

void Node::follow_drain(const std::optional<DrainNote>& note) {
  agent_.follow_drain(note);
  if (!note) return;
  // The start of a drained host is complete: its service manager must not wait for a lease.
  publisher_.publish(agent_);
  edges_.notifier.ready(publisher_.line());
}

void Node::follow_docker() {
  const DockerOptions& wish = edges_.options.docker;
  if (wish.network.empty()) return;
  docker_socket_ = std::make_unique<DockerSocket>(wish.socket, edges_.loop);
  docker_ = std::make_unique<DockerFollower>(
      wish.network, DockerFollower::Parts{.loop = edges_.loop,
                                          .engine = *docker_socket_,
                                          .on_state = [this] { publisher_.changed(agent_); }});
}

void Node::publish_health() {
  if (!edges_.options.publish_health) return;
  health_rows_ = std::make_unique<HealthRows>(HealthRows::Parts{
      .loop = edges_.loop,
      .random = make_random(),
      .place = [this] { return agent_.store_address() ? to_string(*agent_.store_address()) : ""; },
      .open = [this] { return open_health_store(); },
      .own = [this]() -> std::optional<HealthRows::Own> {
        return agent_.network() == nullptr ? std::nullopt : own_health_row(*agent_.network());
      },
      .holder = [this](const SubnetKey& subnet) { return lease_holder(agent_, subnet); },
      .on_state = [this] { publisher_.changed(agent_); }});
}

// The rows are beside the keys of the network, so that no host gets them that does not ask.
Result<std::unique_ptr<Registry>> Node::open_health_store() const {
  StoreOptions options = edges_.options.store;
  if (const auto& moved = agent_.store_address()) options = TRY(options_at(*moved, options));
  options.prefix = clean_path(options.prefix) + std::string(kHealthSuffix);
  return open_registry(options, edges_.loop);
}

// Those that are not the agent's.
std::vector<Problem> Node::own_problems() const {
  std::vector<Problem> all = reload_.problems();
  if (docker_) std::ranges::move(docker_->problems(), std::back_inserter(all));
  if (health_rows_) std::ranges::move(health_rows_->problems(), std::back_inserter(all));
  return all;
}

void Node::on_ready() {
  // Frees the memory of the first list and batch, several megabytes.
  ::malloc_trim(0);
  if (agent_.network()->planes().packet_path() == nullptr) host_.close_kept_path();
  log::info("flannel is ready");
  publisher_.publish(agent_);
  edges_.notifier.ready(publisher_.line());
}

void Node::on_state() {
  if (agent_.network() != nullptr) edges_.way_to_store.stop();
  if (docker_) {
    docker_->wish(agent_.network() == nullptr ? std::nullopt : agent_.network()->subnet_env());
  }
  if (health_rows_) health_rows_->changed();
  publisher_.changed(agent_);
}

}  // namespace flannel
