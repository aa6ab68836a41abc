// SPDX-License-Identifier: Apache-2.0
#include "daemon/agent.h"

#include <fmt/format.h>

#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace flannel {
namespace {

constexpr auto kFileRetry = std::chrono::seconds(5);
constexpr auto kUnderlayRetry = std::chrono::seconds(5);

}  // namespace

Agent::Agent(AgentOptions options, Parts parts)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      follower_(parts_.registry, parts_.loop, parts_.random,
                {.on_snapshot = [this](const Snapshot& snapshot) { on_snapshot(snapshot); },
                 .on_changes = [this](const std::vector<Change>& changes) { on_changes(changes); },
                 .on_connection =
                     [this] {
                       if (session_) arm_linger();
                       parts_.on_state();
                     }}) {}

void Agent::start() {
  follower_.start();
}

void Agent::look_again() {
  follower_.list_again();
  suspect_kernel();
  check_underlay();
}

void Agent::suspect_kernel() {
  if (session_ && session_->overlay_started) session_->overlay->suspect();
}

void Agent::check_underlay() {
  if (!session_) return;
  const Underlay& used = session_->host.underlay;
  const auto view = parts_.look_at_host();
  const auto choice = view ? choose_underlay(options_.underlay, *view)
                           : Result<UnderlayChoice>(tl::unexpected(view.error()));
  std::string trouble;
  if (!choice) {
    trouble = choice.error().text;
  } else if (choice->underlay != used) {
    trouble = fmt::format("{} changed, it would be {} with MTU {} now; restart flanneld to take it",
                          used.interface, to_string(choice->underlay.ip), choice->underlay.mtu);
  }
  if (trouble != underlay_trouble_) {
    underlay_trouble_ = std::move(trouble);
    log::warning("underlay", {{"note", underlay_trouble_.empty() ? "as it was at the start"
                                                                 : underlay_trouble_}});
    parts_.on_state();
  }
  if (session_->overlay_started) session_->overlay->paths_changed(session_->peers->leases());
  // Nobody tells when what else the choice depends on, a default route say, is back.
  retry_underlay_.reset();
  if (!underlay_trouble_.empty()) {
    retry_underlay_ =
        parts_.loop.at(parts_.loop.now() + kUnderlayRetry, [this] { check_underlay(); });
  }
}

void Agent::rules_changed() {
  if (session_ && session_->overlay_started) settle();
}

const Overlay* Agent::overlay() const {
  return session_ ? session_->overlay.get() : nullptr;
}
const KnownPeers* Agent::peers() const {
  return session_ ? &*session_->peers : nullptr;
}
const LeaseTable* Agent::table() const {
  return session_ ? &session_->peers->table() : nullptr;
}
const LeaseKeeper* Agent::keeper() const {
  return session_ ? &session_->lease->keeper() : nullptr;
}
const NetworkConfig* Agent::config() const {
  return session_ ? &session_->config : nullptr;
}
const PacketPath* Agent::packet_path() const {
  return session_ ? session_->path.get() : nullptr;
}
const Underlay* Agent::underlay() const {
  return session_ ? &session_->host.underlay : nullptr;
}

void Agent::on_snapshot(const Snapshot& snapshot) {
  if (!session_) {
    begin(snapshot);
    return;
  }
  compare_config(snapshot.config);
  const auto changes = session_->peers->on_snapshot(parts_.loop.now(), snapshot);
  session_->lease->on_snapshot(snapshot);
  on_peers(changes);
  parts_.on_state();
}

void Agent::on_peers(const std::vector<PeerChange>& changes) {
  name_quarantined();
  look_for_copies(changes);
  arm_second_look();
  arm_linger();
  if (session_->overlay_started && !changes.empty()) session_->overlay->apply(changes);
}

// Two hosts with one node id have one VTEP MAC as well: the operator has to hear of it at once.
void Agent::look_for_copies(const std::vector<PeerChange>& changes) {
  const HostIdentity us(session_->host.underlay.public_ip, options_.node);
  auto& copies = session_->copies;
  const bool before = !copies.empty();
  for (const PeerChange& change : changes) {
    const auto* up = std::get_if<PeerUp>(&change);
    const Lease& lease = up != nullptr ? up->lease : std::get<PeerDown>(change).lease;
    const bool copy = up != nullptr && us.is_copy(lease.attributes);
    if (copy && copies.insert_or_assign(lease.subnet, lease).second) {
      log::error("another host has our node id; neither takes the other's subnet",
                 {{"its_public_ip", to_string(lease.attributes.public_ip)},
                  {"its_subnet", to_string(lease.subnet)},
                  {"node_id", to_string(options_.node.id)},
                  {"cure", "if its disk is a copy of ours: delete its node-id file"}});
    }
    if (!copy) copies.erase(lease.subnet);
  }
  if (before != !copies.empty()) parts_.on_state();
}

void Agent::arm_second_look() {
  const std::size_t doubted = session_->peers->doubted();
  const std::size_t listed = session_->peers->table().leases().size();
  if (std::exchange(doubted_, doubted) != doubted) parts_.on_state();
  // They go, and come back, one by one.
  if (doubted > 2 * doubted_told_) {
    doubted_told_ = doubted;
    log::warning("peers went from the store all at once; they stay until a second list says so",
                 {{"peers", doubted}, {"listed", listed}});
  } else if (doubted == 0 && std::exchange(doubted_told_, 0) > 0) {
    log::info("no peer is in doubt any more", {{"listed", listed}});
  }
  const TimePoint at = session_->peers->second_look();
  if (std::exchange(second_look_at_, at) == at) return;
  second_look_.reset();
  // A list that comes sooner, after a break, is no second one; a later one does it as well.
  if (at != kNever) second_look_ = parts_.loop.at(at, [this] { follower_.list_again(); });
}

void Agent::arm_linger() {
  const TimePoint at = follower_.hears() ? session_->peers->linger_end() : kNever;
  if (std::exchange(linger_at_, at) == at) return;
  linger_.reset();
  if (at == kNever) return;
  linger_ = parts_.loop.at(at, [this] {
    linger_at_ = kNever;
    if (!follower_.hears()) return;  // it is armed anew after the list that is due
    on_peers(session_->peers->tick(parts_.loop.now()));
  });
}

void Agent::on_changes(const std::vector<Change>& changes) {
  if (!session_) {
    for (const Change& change : changes) {
      if (std::holds_alternative<ConfigPut>(change)) follower_.list_again();
    }
    return;
  }
  const auto peers = session_->peers->on_changes(parts_.loop.now(), changes);
  for (const Change& change : changes) {
    if (const auto* put = std::get_if<ConfigPut>(&change)) {
      compare_config(put->config);
    } else if (std::holds_alternative<ConfigGone>(change)) {
      compare_config(std::nullopt);
    } else {
      session_->lease->on_change(change);
    }
  }
  on_peers(peers);
}

// Each record that cannot be used is named once, and again when it changes.
void Agent::name_quarantined() {
  const auto& quarantined = session_->peers->table().quarantined();
  if (quarantined == session_->named) return;
  for (const auto& [key, record] : quarantined) {
    const auto known = session_->named.find(key);
    if (known != session_->named.end() && known->second == record) continue;
    log::warning("lease record set aside, the others are not affected",
                 {{"key", key}, {"why", record.reason}});
  }
  session_->named = quarantined;
  parts_.on_state();
}

// The first configuration that makes sense; until then the daemon waits and says why, once.
void Agent::begin(const Snapshot& snapshot) {
  if (!snapshot.config) {
    set_config_trouble("there is none in the store yet; waiting for \"flannelctl config set\"");
    return;
  }
  const auto parsed = parse_network_config(snapshot.config->text);
  if (!parsed) {
    set_config_trouble(parsed.error().text + "; waiting for it to be mended");
    return;
  }
  set_config_trouble({});
  for (const std::string& warning : parsed->warnings) {
    log::warning("network config", {{"note", warning}});
  }
  auto session = open_session(*parsed);
  if (!session) {
    parts_.on_fatal(std::move(session).error());
    return;
  }
  session_ = *std::move(session);
  const HostIdentity us(session_->host.underlay.public_ip, options_.node);
  session_->peers.emplace(LeaseTable(session_->config.network, us), us, parts_.random);
  on_peers(session_->peers->on_snapshot(parts_.loop.now(), snapshot));
  session_->lease = std::make_unique<LeaseRunner>(
      make_keeper(*session_), parts_.registry, follower_, parts_.loop,
      LeaseRunner::Listener{.on_held = [this](const Lease& lease) { on_held(lease); },
                            .on_state = [this] { parts_.on_state(); }});
  session_->lease->start(snapshot);
}

Result<std::unique_ptr<Agent::Session>> Agent::open_session(const ParsedConfig& parsed) {
  auto session = std::make_unique<Session>();
  session->config = parsed.config;
  log::info("Found network config", {{"network", to_string(parsed.config.network)},
                                     {"subnets", parsed.config.subnet_count()},
                                     {"backend", parsed.config.backend_type}});
  session->host_view = TRY_DURING(parts_.look_at_host(), "look at the host's interfaces");
  auto choice = TRY(choose_underlay(options_.underlay, session->host_view));
  for (const std::string& reason : choice.reasons)
    log::info(reason);
  session->host = {std::move(choice.underlay), options_.node.id, options_.packet_path};
  auto made =
      TRY_DURING(make_backend(session->config, session->host.underlay), "network config: Backend");
  for (const std::string& warning : made.warnings) {
    log::warning("network config: Backend", {{"note", warning}});
  }
  if (!made.options.empty()) log::info(made.options);
  session->backend = std::move(made.backend);
  TRY(claim_objects(*session));
  TRY(open_packet_path(*session));
  session->overlay =
      std::make_unique<Overlay>(Overlay::Parts{.loop = parts_.loop,
                                               .kernel = parts_.kernel,
                                               .backend = *session->backend,
                                               .path_to = session->host_view.path_to,
                                               .on_state = [this] { settle(); },
                                               .path = session->path.get(),
                                               .blackhole_own_subnet = options_.ip_blackhole_route},
                                session->host, session->config.network);
  return session;
}

// Two daemons with the same network or device would each undo what the other does, for ever.
Result<void> Agent::claim_objects(Session& session) {
  const Scope scope = session.backend->scope(session.config.network);
  session.claims.push_back(TRY(parts_.claim(to_string(scope.network))));
  for (const std::string& device : scope.link_names) {
    session.claims.push_back(TRY(parts_.claim(device)));
  }
  return {};
}

// The device must be there before it can be set up; it carries nothing before there is a lease.
Result<void> Agent::open_packet_path(Session& session) {
  const auto settings = session.backend->packet_path(session.host);
  if (!settings) return {};
  session.path = TRY(parts_.open_packet_path(*settings, [this] {
    suspect_kernel();  // a device made again has neither address nor MTU
    parts_.on_state();
  }));
  session.host.tun_device = session.path->device();
  return {};
}

LeaseKeeper Agent::make_keeper(const Session& session) const {
  auto announce = [&session](const Lease* previous) {
    return session.backend->announce(session.host, previous);
  };
  KeeperOptions options = options_.keeper;
  options.node = options_.node;
  return LeaseKeeper(options, session.config, session.host.underlay.public_ip, announce,
                     previous_subnet(), parts_.random);
}

std::optional<Cidr4> Agent::previous_subnet() const {
  const auto text = read_file(options_.subnet_file);
  if (!text) {
    if (text.error().kind != ErrorKind::not_found) {
      log::warning("subnet file of an earlier run not used", {{"why", text.error().text}});
    }
    return std::nullopt;
  }
  return decode_previous_subnet(*text);
}

// A running daemon keeps the configuration it started with; a differing one is reported.
void Agent::compare_config(const std::optional<ConfigRecord>& record) {
  if (!record) {
    set_config_trouble("it is gone from the store; the running one stays in force");
    return;
  }
  const auto parsed = parse_network_config(record->text);
  if (!parsed) {
    set_config_trouble(parsed.error().text + "; the running one stays in force");
  } else if (parsed->config != session_->config) {
    set_config_trouble("it changed; restart flanneld to take it");
  } else {
    set_config_trouble({});
  }
}

void Agent::set_config_trouble(std::string text) {
  if (text == config_trouble_) return;
  config_trouble_ = std::move(text);
  if (config_trouble_.empty()) {
    log::info("network config is in order");
  } else {
    log::warning("network config", {{"note", config_trouble_}});
  }
  parts_.on_state();
}

void Agent::on_held(const Lease& lease) {
  if (parts_.rules) parts_.rules->want(session_->config, lease.subnet.v4);
  if (session_->overlay_started && session_->own.subnet == lease.subnet) {
    session_->own = lease;
    session_->overlay->set_own(lease);
  } else {
    // The first one, or another subnet: then what was ours is a peer's now.
    session_->own = lease;
    session_->overlay_started = true;
    // A failure to read the kernel is retried by the reconciler; settle() sees when it is over.
    auto started = session_->overlay->start(lease, session_->peers->leases());
    kernel_trouble_ = started ? std::string() : started.error().text;
    if (!started) log::error("programming the kernel", {{"why", kernel_trouble_}});
    parts_.on_programmed(session_->overlay->scope(), session_->host.underlay);
  }
  settle();
}

// After every change of the kernel's state: is the data plane up, is subnet.env what it should be?
void Agent::settle() {
  if (parts_.rules) parts_.rules->admit(session_->overlay->ingress());
  if (session_->overlay->host_in_place()) {
    kernel_trouble_.clear();
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
  const Lease& lease = *session_->lease->keeper().lease();
  const SubnetEnv env{.network = session_->config.network,
                      .subnet = lease.subnet.v4,
                      .network6 = std::nullopt,
                      .subnet6 = std::nullopt,
                      .mtu = session_->backend->overlay_mtu(session_->host),
                      .ip_masq = options_.ip_masq};
  if (session_->written == env) return;
  if (auto done = write_file_atomically(options_.subnet_file, encode_subnet_env(env), 0644);
      !done) {
    if (file_trouble_.empty()) log::error("subnet file", {{"why", done.error().text}});
    file_trouble_ = done.error().text;
    retry_file_ = parts_.loop.at(parts_.loop.now() + kFileRetry, [this] { settle(); });
    return;
  }
  file_trouble_.clear();
  session_->written = env;
  log::info("Wrote subnet file to " + options_.subnet_file, {{"mtu", env.mtu}});
}

}  // namespace flannel
