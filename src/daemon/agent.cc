// SPDX-License-Identifier: Apache-2.0
#include "daemon/agent.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backend/alloc.h"
#include "base/log.h"
#include "core/announced_backend.h"
#include "daemon/whole_config.h"

namespace flannel {
namespace {

// Until subnet.env can be written: nothing reports that a folder has become writable.
constexpr auto kFileRetry = std::chrono::seconds(5);

void log_networks(const NetworkConfig& config) {
  for (const Family family : kFamilies) {
    const auto& range = config.at(family);
    if (!range) continue;
    log::info("Found network config", {{"network", to_string(range->network)},
                                       {"subnets", range->count()},
                                       {"backend", config.backend_type}});
  }
}

void log_options(const MadeBackend& made) {
  for (const std::string& warning : made.warnings)
    log::warning("the backend options have a flaw", {{"what", warning}});
  if (!made.options.empty()) log::info(made.options);
}

std::optional<IpPrefix> network_in(const std::optional<SubnetRange>& range) {
  return range ? std::optional(range->network) : std::nullopt;
}

}  // namespace

Agent::Agent(AgentOptions options, Parts parts)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      subnet_file_(options_.subnet_file),
      store_({std::shared_ptr<Registry>(), &parts_.registry}, parts_.loop),
      follower_(store_, parts_.loop, parts_.random,
                {.on_snapshot = [this](const Snapshot& snapshot) { on_snapshot(snapshot); },
                 .on_changes = [this](const std::vector<Change>& changes) { on_changes(changes); },
                 .on_connection =
                     [this] {
                       if (session_) session_->feed->on_connection();
                       parts_.on_state();
                     }}),
      move_(move_parts()) {}

void Agent::start() {
  follower_.start();
}

void Agent::refresh() {
  follower_.list_again();
  suspect_kernel();
  check_underlay();
  if (session_ && session_->overlay_started) session_->host_check->check();
}

void Agent::suspect_kernel() {
  if (!session_ || !session_->overlay_started) return;
  session_->overlay->suspect();
  session_->network_check->suspect();
}

void Agent::check_underlay() {
  if (session_) session_->underlay_check->check();
}

void Agent::suspect_host() {
  if (session_ && session_->overlay_started) session_->host_check->suspect();
}

void Agent::rules_changed() {
  if (session_ && session_->overlay_started) update_readiness();
}

const Overlay* Agent::overlay() const {
  return session_ ? session_->overlay.get() : nullptr;
}
const KnownPeers* Agent::peers() const {
  return session_ ? &session_->feed->peers() : nullptr;
}
const LeaseTable* Agent::table() const {
  return session_ ? &session_->feed->peers().table() : nullptr;
}
const LeaseKeeper* Agent::keeper() const {
  return session_ ? &session_->lease->keeper() : nullptr;
}
const NetworkConfig* Agent::config() const {
  return session_ ? &session_->config : nullptr;
}
const Dataplanes* Agent::planes() const {
  return session_ ? session_->planes.get() : nullptr;
}
const Underlay* Agent::underlay() const {
  return session_ ? &session_->underlay() : nullptr;
}

void Agent::on_snapshot(const Snapshot& snapshot) {
  move_.on_config(snapshot.config);
  if (!session_) {
    begin(snapshot);
    return;
  }
  follow_config(snapshot.config);
  const auto changes = session_->feed->on_snapshot(snapshot);
  session_->lease->on_snapshot(snapshot);
  follow(changes);
  parts_.on_state();
}

void Agent::follow(const std::vector<PeerChange>& changes) {
  leave_name_while_running();
  if (session_->overlay_started && !changes.empty()) session_->overlay->apply(changes);
}

void Agent::on_changes(const std::vector<Change>& changes) {
  if (!session_) {
    for (const Change& change : changes) {
      if (std::holds_alternative<ConfigPut>(change)) follower_.list_again();
    }
    return;
  }
  const auto peers = session_->feed->on_changes(changes);
  for (const Change& change : changes) {
    if (const auto* put = std::get_if<ConfigPut>(&change)) {
      move_.on_config(put->config);
      follow_config(put->config);
    } else if (std::holds_alternative<ConfigGone>(change)) {
      follow_config(std::nullopt);
    } else {
      session_->lease->on_change(change);
    }
  }
  follow(peers);
}

// Starts with the first valid configuration. Until there is one the daemon waits and logs why once.
void Agent::begin(const Snapshot& snapshot) {
  if (!snapshot.config) {
    set_config_trouble("there is none in the store yet, the key is " + store_.config_key() +
                       "; waiting for \"flannelctl config set\"");
    return;
  }
  const auto parsed = parse_whole_config(snapshot.config->text);
  if (!parsed) {
    set_config_trouble(parsed.error().text + "; waiting for it to be mended");
    return;
  }
  set_config_trouble({});
  if (!move_.decides(snapshot.records, options_.node.id)) return;
  for (const std::string& warning : parsed->warnings)
    log::warning("the network configuration has a flaw", {{"what", warning}});
  auto session = open_session(*parsed);
  if (!session) {
    parts_.on_fatal(std::move(session).error());
    return;
  }
  session_ = *std::move(session);
  move_.begin();
  session_->previous = subnet_file_.previous_subnet();
  session_->previous_networks = subnet_file_.previous_networks();
  std::erase_if(session_->previous_networks, [this](const IpPrefix& network) {
    return network.family() == Family::v6 && !session_->host_view.has_ipv6;
  });
  session_->feed = make_feed();
  session_->underlay_check = make_underlay_check();
  session_->host_check = make_host_check();
  session_->network_check->check();
  session_->feed->on_snapshot(snapshot);
  leave_name_to_older_host();
  session_->lease = std::make_unique<LeaseRunner>(
      make_keeper(*session_), store_, follower_, parts_.loop,
      LeaseRunner::Listener{.on_active = [this](const Lease& lease) { on_lease_active(lease); },
                            .on_state = [this] { parts_.on_state(); }});
  name_unused_reservations(snapshot);
  program_before_lease();
  session_->lease->start(snapshot);
}

Result<std::unique_ptr<Agent::Session>> Agent::open_session(const ParsedConfig& parsed) {
  auto session = std::make_unique<Session>();
  session->config = session->leased = parsed.config;
  log_networks(parsed.config);
  session->host_view = TRY_DURING(parts_.read_host(), "look at the host's interfaces");
  const Underlay underlay = TRY(choose(session->config, session->host_view));
  session->carried = session->config;
  if (!session->host_view.has_ipv6) session->carried.v6.reset();
  session->planes = make_planes();
  TRY(open_planes(*session, underlay));
  session->leased_underlay = session->underlay();
  session->network_check = make_network_check(*session);
  session->planes->set_surroundings(session->network_check->surroundings());
  session->overlay =
      std::make_unique<Overlay>(Overlay::Parts{.loop = parts_.loop,
                                               .kernel = parts_.kernel,
                                               .planes = *session->planes,
                                               .lookup_route = session->host_view.lookup_route,
                                               .on_state = [this] { update_readiness(); },
                                               .on_scope = [this] { watch_kernel(); },
                                               .blackhole_own_subnet = options_.ip_blackhole_route},
                                session->carried.networks());
  return session;
}

Result<Underlay> Agent::choose(const NetworkConfig& config, const HostView& host) const {
  auto choice = TRY(choose_underlay(request_for(config, options_.underlay), host));
  for (const std::string& reason : choice.reasons)
    log::info(reason);
  return std::move(choice.underlay);
}

std::unique_ptr<Dataplanes> Agent::make_planes() {
  return std::make_unique<Dataplanes>(
      Dataplanes::Parts{.loop = parts_.loop,
                        .open_packet_path = parts_.open_packet_path,
                        .acquire_lock = parts_.acquire_lock,
                        .on_path =
                            [this] {
                              suspect_kernel();  // a recreated device has neither address nor MTU
                              parts_.on_state();
                            },
                        .on_change = [this] { session_->overlay->planes_changed(); }},
      HostFacts{.underlay = {}, .node_id = options_.node.id, .packet_path = options_.packet_path});
}

Result<void> Agent::open_planes(Session& session, const Underlay& underlay) {
  auto made = TRY(make_ours(session.config, underlay));
  TRY(lock_networks(session, session.config));
  TRY(session.planes->adopt(session.config, underlay, std::move(made)));
  session.planes->adopt_left(parts_.left_devices(session.config.networks()));
  return {};
}

Result<MadeBackend> Agent::make_ours(const NetworkConfig& config, const Underlay& underlay) const {
  auto made = TRY_DURING(make_backend(config, underlay), "network config: Backend");
  log_options(made);
  if (!options_.powerless.empty() && config.backend_type != AllocBackend::kType) {
    return fail(ErrorKind::denied, options_.powerless);
  }
  return made;
}

LeaseAttributes Agent::announce(const Session& session, const Lease* previous) const {
  const Dataplane& ours = session.planes->ours();
  if (session.renamed) return ours.backend->announce(ours.host, nullptr);
  if (!ours.former) return ours.backend->announce(ours.host, previous);
  // Peers know its MAC.
  const Lease former{.subnet = {}, .attributes = *ours.former};
  return ours.backend->announce(ours.host, &former);
}

LeaseKeeper Agent::make_keeper(const Session& session) const {
  auto announce = [this, &session](const Lease* previous) {
    return this->announce(session, previous);
  };
  KeeperOptions options = options_.keeper;
  options.node = options_.node;
  for (const AddressInUse& used : session.network_check->surroundings().in_use)
    options.keep_clear_of.push_back(used.ip);
  const Underlay& underlay = session.underlay();
  options.address_is_ours =
      std::ranges::none_of(values_of(underlay), &UnderlayAddress::is_behind_nat);
  return LeaseKeeper(options, session.config, public_ips_of(underlay), announce, session.previous,
                     parts_.random);
}

void Agent::on_lease_active(const Lease& lease) {
  move_.on_lease(lease);
  session_->planes->on_announced(lease.attributes);
  if (parts_.rules) {
    parts_.rules->want(session_->carried, lease.subnet, session_->previous_networks);
  }
  if (session_->overlay_started && session_->own.subnet == lease.subnet) {
    session_->own = lease;
    session_->overlay->set_own(lease);
  } else {
    // This is the first lease, or one with another subnet, whose old subnet may now be a peer's.
    program(lease);
  }
  leave_name_soon();
  update_readiness();
}

// The configuration may have changed while this host was down. Then peers reach it by what its
// lease announces still, and as soon as the lease is written, by the new dataplane: so that is made
// first.
void Agent::program_before_lease() {
  const HostIdentity us = identity();
  for (const auto& [subnet, listed] : session_->feed->peers().table().leases()) {
    if (us.ownership(listed.lease) != Ownership::node) continue;
    if (reaches(session_->planes->ours().announced, backend_of(listed.lease->attributes))) continue;
    program(listed.lease);
    return;
  }
}

void Agent::program(const Lease& lease) {
  session_->own = lease;
  session_->overlay_started = true;
  // A failure to read the kernel is retried by the reconciler; update_readiness() sees when it is
  // over.
  auto started = session_->overlay->start(lease, session_->feed->peers().leases());
  kernel_trouble_ = started ? std::string() : started.error().text;
  if (!started) log::error("cannot program the kernel", {{"why", kernel_trouble_}});
  watch_kernel();
  session_->host_check->check();
}

// Our kernel objects are others.
void Agent::watch_kernel() {
  if (session_->overlay_started) {
    parts_.on_programmed(session_->overlay->scope(), session_->underlay());
  }
}

// Called after every change of the kernel state: updates ready() and writes subnet.env.
void Agent::update_readiness() {
  if (!session_->lease->keeper().lease()) return parts_.on_state();
  if (parts_.rules) parts_.rules->admit(session_->overlay->ingress());
  if (session_->overlay->host_in_place()) {
    kernel_trouble_.clear();
    announce_config();
    if (parts_.rules && !parts_.rules->in_place()) return parts_.on_state();
    write_subnet_file();
    if (!ready_ && file_trouble_.empty()) {
      ready_ = true;
      parts_.on_ready();
    }
  }
  parts_.on_state();
}

void Agent::write_subnet_file() {
  const SubnetKey& subnet = session_->lease->keeper().lease()->subnet;
  const NetworkConfig& config = session_->config;
  const Dataplane& ours = session_->planes->ours();
  const SubnetEnv env{.network = network_in(config.v4),
                      .subnet = subnet.v4,
                      .network6 = network_in(config.v6),
                      .subnet6 = subnet.v6,
                      .mtu = ours.backend->overlay_mtu(ours.host),
                      .ip_masq = options_.ip_masq};
  if (auto done = subnet_file_.write(env); !done) {
    if (file_trouble_.empty())
      log::error("cannot write the subnet file", {{"why", done.error().text}});
    file_trouble_ = done.error().text;
    retry_file_.arm_after(kFileRetry);
    return;
  }
  file_trouble_.clear();
}

}  // namespace flannel
